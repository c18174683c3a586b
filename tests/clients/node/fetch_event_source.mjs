// Follows a stream as @microsoft/fetch-event-source does, and prints each event; the first argument
// is the URL, the second how many events to take before the stream's caught-up.
globalThis.window = { setTimeout, clearTimeout, fetch };
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import('@microsoft/fetch-event-source');

const [url] = process.argv.slice(-1);
const seen = [];
const controller = new AbortController();
await fetchEventSource(url, {
  signal: controller.signal,
  onmessage(event) {
    seen.push([event.id, event.event, JSON.parse(event.data), event.retry ?? null]);
    if (event.event === 'caught-up') controller.abort();
  },
  onerror(error) {
    throw error;
  },
});
console.log(JSON.stringify(seen));
process.exit(0);
