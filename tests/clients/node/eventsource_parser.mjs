// Reads a stream until its caught-up, a few bytes at a time, and prints what the parser makes of it.
// The argument is the URL.
import { createParser } from 'eventsource-parser';

const [url] = process.argv.slice(-1);
const seen = [];
let retry = null;
const parser = createParser({
  onEvent: (event) => seen.push([event.id, event.event, JSON.parse(event.data)]),
  onRetry: (milliseconds) => (retry = milliseconds),
  onError: (error) => {
    throw error;
  },
});
const response = await fetch(url, { headers: { accept: 'text/event-stream' } });
const decoder = new TextDecoder();
for await (const chunk of response.body) {
  for (let at = 0; at < chunk.length; at += 3) {
    parser.feed(decoder.decode(chunk.subarray(at, at + 3), { stream: true }));
  }
  if (seen.some(([, name]) => name === 'caught-up')) break;
}
console.log(JSON.stringify({ seen, retry }));
process.exit(0);
