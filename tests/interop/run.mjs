// Tells one story of one client. The first line of standard input says which:
// { client, story, issuer, secret, … }; what the story throws is what failed.
import { next, say } from "./talk.mjs";

const setup = await next();
const { [setup.story]: tell } = await import(`./${setup.client}.mjs`);
await tell(setup);
say({ told: true });
process.exit(0);
