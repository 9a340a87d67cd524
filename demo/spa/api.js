// Calls to the server. Whatever goes wrong arrives as one kind of error, so that callers need one `catch`.

/** How long an answer may take before the server counts as silent. */
const PATIENCE_MS = 35_000;

/**
 * Why something failed. `kind` is "network", "problem" (an answer with a `status` and, mostly, a `code`) or "bug".
 */
export class Failure extends Error {
  constructor(kind, status = 0, code = "") {
    super(code || kind);
    this.kind = kind;
    this.status = status;
    this.code = code;
  }

  /** The session is gone: the answer to whatever comes next is to sign in. */
  get isSignedOut() {
    return this.code === "session-required";
  }
}

/** Makes a failure of whatever was thrown. What is none is a fault of this page, which belongs on the console. */
export function asFailure(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure("bug");
}

/**
 * Sends a request and reads its JSON.
 *
 * The browser adds the cookie by itself. `X-CSRF` says that this page has sent the request: another site's page can
 * neither set that header nor read what comes back.
 */
export async function call(method, path, body) {
  const headers = { Accept: "application/json", "X-CSRF": "1" };
  const request = { method, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }

  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Failure("network");
  }
  const content = await readJson(response);
  if (response.ok) return content;
  throw new Failure("problem", response.status, typeof content?.code === "string" ? content.code : "");
}

/** `null` for an answer that is no JSON, such as an error page of something in between. */
async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}
