// The service that client and server agree on. Messages are texts in UTF-8: no generated code is needed.
const text = {
  requestSerialize: (value) => Buffer.from(value, "utf8"),
  requestDeserialize: (bytes) => bytes.toString("utf8"),
  responseSerialize: (value) => Buffer.from(value, "utf8"),
  responseDeserialize: (bytes) => bytes.toString("utf8"),
};

const method = (name, requestStream, responseStream) => ({
  path: `/lab.Echo/${name}`,
  requestStream,
  responseStream,
  ...text,
});

export const service = {
  Say: method("Say", false, false),
  Count: method("Count", false, true),
  Talk: method("Talk", true, true),
  Refuse: method("Refuse", false, false),
};
