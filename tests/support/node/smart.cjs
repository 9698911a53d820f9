// A SMART server of oidc-provider: client_credentials with private_key_jwt, and JWTs as access tokens.
//
//   node smart.cjs CLIENT SCOPES LIFETIME    the client's JWKS from stdin; prints its port
//
// LIFETIME is of a token, in seconds; its audience is urn:fhir. NODE_PATH says where the libraries are.
"use strict";

const http = require("node:http");
const net = require("node:net");
const { pathToFileURL } = require("node:url");

const [, , client, scopes, lifetime] = process.argv;

async function library(name) {
  return import(pathToFileURL(require.resolve(name)));
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
  const jwks = await read();
  const { exportJWK, generateKeyPair } = await library("jose");
  const { Provider } = await library("oidc-provider");
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const port = await freePort(); // the issuer's name has it
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: client,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        scope: scopes,
        token_endpoint_auth_method: "private_key_jwt",
        jwks,
      },
    ],
    clientAuthMethods: ["private_key_jwt"],
    enabledJWA: { clientAuthSigningAlgValues: ["RS384", "ES384"] },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: "server", alg: "RS256", use: "sig" }] },
    scopes: scopes.split(" "),
    ttl: { ClientCredentials: () => Number(lifetime) },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:fhir",
        getResourceServerInfo: () => ({ scope: scopes, audience: "urn:fhir", accessTokenFormat: "jwt" }),
        useGrantedResource: () => true,
      },
    },
  });
  const callback = provider.callback();
  http.createServer(callback).listen(port, "127.0.0.1", () => process.stdout.write(`${port}\n`));
}

main().catch((error) => {
  process.stderr.write(`${error && error.stack}\n`);
  process.exit(1);
});
