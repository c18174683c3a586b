// Reads UI messages, and prints what each version of the AI SDK makes of them.
import { readFileSync } from 'node:fs';
import * as ai6 from 'ai6';
import * as ai7 from 'ai7';

const messages = JSON.parse(readFileSync(0, 'utf8'));
const found = {};
for (const [name, ai] of Object.entries({ ai6, ai7 })) {
  const valid = await ai.validateUIMessages({ messages });
  found[name] = { valid, model: await ai.convertToModelMessages(valid) };
}
console.log(JSON.stringify(found));
