// Follows a stream as a browser's EventSource does until it is told not to come again, and prints
// what it saw. The argument is the URL.
import { EventSource } from 'eventsource';

const [url] = process.argv.slice(-1);
const seen = [];
const source = new EventSource(url);
for (const name of ['session.created', 'session.deleted', 'caught-up', 'session.closed']) {
  source.addEventListener(name, (event) => seen.push([event.lastEventId, name, JSON.parse(event.data)]));
}
source.addEventListener('message', (event) => seen.push(['', 'message', event.data]));
source.addEventListener('error', (event) => {
  if (source.readyState === EventSource.CLOSED) {
    console.log(JSON.stringify({ seen, code: event.code ?? null }));
    process.exit(0);
  }
});
