// The provider's time. It stands still until the tests move it, together with the other servers' clock: an access
// token that has lapsed for them has lapsed here too, and one issued afterwards is fresh for all.

const MachineDate = globalThis.Date;
let milliseconds = MachineDate.now();

globalThis.Date = class extends MachineDate {
  constructor(...args) {
    super(...(args.length === 0 ? [milliseconds] : args));
  }

  static now() {
    return milliseconds;
  }
};

/** Sets the clock to this many seconds after the epoch. */
export function setTime(seconds) {
  milliseconds = seconds * 1000;
}
