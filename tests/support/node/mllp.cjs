// Speaks MLLP by the libraries of package.json, one way or the other:
//
//   node mllp.cjs send LIBRARY PORT    messages in a JSON array from stdin; prints the array of what answered each
//   node mllp.cjs serve LIBRARY        prints its port, then a JSON string a message that came
//
// NODE_PATH says where the libraries are. Nothing here mends what a library does.
"use strict";

const net = require("node:net");

const [, , mode, library, port] = process.argv;

const clients = {
  "node-hl7-client": async (messages) => {
    const { Client, Message } = require("node-hl7-client");
    const client = new Client({ host: "127.0.0.1" });
    const answers = [];
    let answered;
    const connection = client.createConnection({ port: Number(port), waitAck: true }, async (response) => {
      answers.push(response.getMessage().toString());
      answered();
    });
    connection.on("error", (error) => fail(error));
    for (const text of messages) {
      const next = new Promise((resolve) => (answered = resolve));
      await connection.sendMessage(new Message({ text }));
      await next;
    }
    await connection.close();
    return answers;
  },
  "simple-hl7": async (messages) => {
    const { Server } = require("simple-hl7");
    const client = Server.createTcpClient({ host: "127.0.0.1", port: Number(port), keepalive: true });
    const answers = [];
    for (const text of messages) {
      const answer = await new Promise((resolve, reject) =>
        client.send({ toString: () => text }, (error, ack) => (error ? reject(error) : resolve(ack))),
      );
      answers.push(answer.toString());
    }
    client.close();
    return answers;
  },
  medplum: async (messages) => {
    const { Hl7Client } = require("@medplum/hl7");
    const { Hl7Message } = require("@medplum/core");
    const client = new Hl7Client({ host: "127.0.0.1", port: Number(port), keepAlive: true });
    const answers = [];
    for (const text of messages) {
      answers.push((await client.sendAndWait(Hl7Message.parse(text))).toString());
    }
    await client.close();
    return answers;
  },
};

const servers = {
  "node-hl7-server": async (free, came) => {
    const { Server } = require("node-hl7-server");
    const inbound = new Server({ bindAddress: "127.0.0.1" }).createInbound({ port: free }, async (request, response) => {
      came(request.getMessage().toString());
      await response.sendResponse("AA");
    });
    await new Promise((resolve) => inbound.on("listen", resolve));
  },
  "simple-hl7": async (free, came) => {
    const app = require("simple-hl7").tcp();
    app.use((request, response) => {
      came(request.msg.toString());
      response.end();
    });
    app.start(free);
  },
  medplum: async (free, came) => {
    const { Hl7Server } = require("@medplum/hl7");
    const server = new Hl7Server((connection) => {
      connection.addEventListener("message", ({ message }) => {
        came(message.toString());
        connection.send(message.buildAck());
      });
    });
    server.start(free);
  },
};

function fail(error) {
  process.stderr.write(`${error && error.stack}\n`);
  process.exit(1);
}

async function read() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.on("listening", resolve));
  const found = probe.address().port;
  await new Promise((resolve) => probe.close(resolve));
  return found;
}

async function main() {
  if (mode === "send") {
    const answers = await clients[library](await read());
    process.stdout.write(JSON.stringify(answers), () => process.exit(0));
    return;
  }
  const free = await freePort();
  await servers[library](free, (text) => process.stdout.write(`${JSON.stringify(text)}\n`));
  process.stdout.write(`${free}\n`);
}

main().catch(fail);
