// Reads an AsyncAPI document, and prints what its parser finds wrong, and the messages it knows.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(0, 'utf8'));
console.log(
  JSON.stringify({
    faults: diagnostics.filter((one) => one.severity < 2).map((one) => [one.path.join('.'), one.message]),
    messages: document ? document.channels().all().map((c) => [c.address(), c.messages().all().map((m) => m.id())]) : [],
  }),
);
