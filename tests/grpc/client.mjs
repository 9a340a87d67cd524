// A gRPC client: makes the calls that its argument names, prints what came of each as one line of JSON, and ends.
// The argument: { address, authority, metadata, calls: [[method, message], …] }
import grpc from "@grpc/grpc-js";
import { service } from "./service.mjs";

const { address, authority, metadata, calls } = JSON.parse(process.argv[2]);
const Client = grpc.makeGenericClientConstructor(service, "Echo");
const client = new Client(address, grpc.credentials.createInsecure(), {
  "grpc.default_authority": authority,
  "grpc.enable_retries": 0,
});
const fields = () => {
  const sent = new grpc.Metadata();
  for (const [name, value] of Object.entries(metadata)) {
    sent.set(name, value);
  }
  return sent;
};
const deadline = () => ({ deadline: Date.now() + 20_000 });

const outcome = (call, messages) =>
  new Promise((resolve) => {
    let trailers = {};
    call.on("status", (status) => {
      trailers = status.metadata.toJSON();
      resolve({ code: status.code, details: status.details, messages, trailers });
    });
    call.on("error", () => {});
  });

async function make([method, message]) {
  const messages = [];
  if (method === "Talk") {
    const call = client.Talk(fields(), deadline());
    // Each line waits for the answer to the one before it: both directions have to flow at once.
    const lines = message.split(" ");
    call.on("data", (line) => {
      messages.push(line);
      lines.length > 0 ? call.write(lines.shift()) : call.end();
    });
    call.write(lines.shift());
    return outcome(call, messages);
  }
  if (method === "Count") {
    const call = client.Count(message, fields(), deadline());
    call.on("data", (number) => messages.push(number));
    return outcome(call, messages);
  }
  const call = client[method](message, fields(), deadline(), (error, answer) => {
    if (!error) {
      messages.push(answer);
    }
  });
  return outcome(call, messages);
}

for (const call of calls) {
  process.stdout.write(`${JSON.stringify(await make(call))}\n`);
}
client.close();
