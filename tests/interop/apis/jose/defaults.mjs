// What happens without options: never copy this.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const keys = createRemoteJWKSet(new URL(`${process.env.ISSUER}/jwks`));

const server = createServer(async (request, response) => {
  const token = request.headers.authorization.slice("Bearer ".length);
  const refuse = (status, error) => response.writeHead(status, { "WWW-Authenticate": `Bearer error="${error}"` }).end();
  try {
    const { payload } = await jwtVerify(token, keys);
    const scope = request.method === "GET" ? "notes:read" : "notes:write";
    return payload.scope?.split(" ").includes(scope) ? response.end("{}") : refuse(403, "insufficient_scope");
  } catch {
    return refuse(401, "invalid_token");
  }
});
server.listen(0, "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
