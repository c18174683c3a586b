// Creates a session, runs a turn in it and reads the log, with types that were generated.
import type { components, paths } from "./api.d.ts";

type Schemas = components["schemas"];
type Path = keyof paths;

declare const process: { argv: string[] };
const base = process.argv[2];

async function ask<Answer>(path: string, of: Path, body?: unknown): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const how = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(base + path, how);
  if (!response.ok) {
    const problem = (await response.json()) as Schemas["Problem"];
    throw new Error(`${of}: ${problem.code}: ${problem.detail}`);
  }
  return (await response.json()) as Answer;
}

const created: Schemas["CreateSessionBody"] = { app: "shop", user: "ada" };
const made = await ask<Schemas["SessionAnswer"]>("/v1/sessions", "/v1/sessions", created);
const path = `/v1/sessions/${made.session.id}`;
const start: Schemas["StartTurnBody"] = {
  turn_id: "t1",
  input: { parts: [{ type: "text", text: "Hello" }] },
};
await ask<Schemas["TurnAnswer"]>(`${path}/turns`, "/v1/sessions/{session_id}/turns", start);
const end: Schemas["CompleteTurnBody"] = { stop_reason: "end_turn" };
await ask<Schemas["Done"]>(
  `${path}/turns/t1/complete`, "/v1/sessions/{session_id}/turns/{turn_id}/complete", end,
);

const seen: string[] = [];
let since = 0;
let page: Schemas["EventPage"];
do {
  const query = `${path}/events?since=${since}&limit=2`;
  page = await ask(query, "/v1/sessions/{session_id}/events");
  for (const event of page.events) {
    // Of an event that was erased no data is left; of any other, the type says which data it has.
    if ("erased" in event) continue;
    seen.push(event.type === "turn.completed" ? `${event.type} ${event.data.turn_id}` : event.type);
  }
  since = page.next;
} while (!page.up_to_date);
// What these types do not know passes: a type of event, a field, a field of the page.
const last = page.events[page.events.length - 1];
const unknown: Schemas["EventRecord"] = { ...last, type: "of.tomorrow", data: { x: 1 } };
const later: Schemas["EventPage"] = { ...page, events: [...page.events, unknown] };
if (later.events.length !== page.events.length + 1) throw new Error("an event is missing");
console.log(JSON.stringify(seen));
