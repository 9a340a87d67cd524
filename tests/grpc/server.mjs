// A gRPC server. It prints its port, then a line for each call with the metadata that came; it ends with its input.
import grpc from "@grpc/grpc-js";
import { service } from "./service.mjs";

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const heard = (call) => tell({ path: call.getPath(), metadata: call.metadata.toJSON() });

const trailers = () => {
  const fields = new grpc.Metadata();
  fields.set("x-trailer", "after the last message");
  return fields;
};

const server = new grpc.Server();
server.addService(service, {
  Say(call, done) {
    heard(call);
    done(null, `you said ${call.request}`, trailers());
  },
  Count(call) {
    heard(call);
    for (let number = 1; number <= Number(call.request); number += 1) {
      call.write(String(number));
    }
    call.end(trailers());
  },
  Talk(call) {
    heard(call);
    call.on("data", (line) => call.write(`echo ${line}`));
    call.on("end", () => call.end(trailers()));
  },
  Refuse(call, done) {
    heard(call);
    done({ code: grpc.status.FAILED_PRECONDITION, details: "not today" });
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    throw error;
  }
  tell({ port });
});
process.stdin.on("end", () => process.exit(0)).resume();
