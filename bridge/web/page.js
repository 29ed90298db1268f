// The page of `bridge web`: draws what /api/overview says, every few seconds. Whatever comes from the bridge is text,
// put there with textContent; nothing of it is ever markup.

const byId = (id) => document.getElementById(id);
const VERDICTS = {
  well: "all is well", waits: "waits for a server", idle: "no relay is at work", person: "somebody should look",
};
const PAUSE = 5000;
const PATIENCE = 60000; // with an answer, such as where an event is
let opened = new Set(); // groups of dead events that are unfolded
let mayAct = false;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const whole = (count) => Math.round(count).toLocaleString("en");

function rate(value) {
  if (value === null) return "–"; // one look alone tells none
  return value >= 100 || value === 0 ? whole(value) : value.toFixed(1);
}

function age(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]])
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  return `${seconds.toFixed(1)} s`;
}

const milliseconds = (value) => (value < 1000 ? `${rate(value)} ms` : age(value / 1000));

function time(text) {
  return text ? text.slice(0, 16).replace("T", " ") : "–";
}

function graph(svg, values) {
  const top = Math.max(...values, 0) || 1;
  const points = values.map((value, at) => `${at},${(1 - value / top) * 40 + 2}`);
  svg.setAttribute("viewBox", `0 0 ${Math.max(values.length - 1, 1)} 44`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren(...(values.length < 2 ? [] : [
    path("area", `M0,44 L${points.join(" L")} L${values.length - 1},44 Z`), path("line", `M${points.join(" L")}`),
  ]));
}

function path(kind, d) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
  made.setAttribute("class", kind);
  made.setAttribute("d", d);
  return made;
}

function small(values, label) {
  const cell = element("td");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  graph(svg, values);
  cell.append(svg);
  return cell;
}

function fill(id, rows, empty) {
  const body = byId(id).tBodies[0];
  if (rows.length) return body.replaceChildren(...rows);
  const row = element("tr"), cell = element("td", empty, "dim");
  cell.colSpan = byId(id).tHead.rows[0].cells.length;
  row.append(cell);
  body.replaceChildren(row);
}

function row(cells, isBad) {
  const made = element("tr", undefined, isBad ? "bad" : "");
  made.append(...cells);
  return made;
}

const number = (text) => element("td", text, "number");

function draw(seen) {
  mayAct = seen.may_act;
  show(VERDICTS[seen.verdict] ?? seen.verdict, seen.verdict, `as of ${seen.at.slice(11, 19)} UTC`);
  const reasons = byId("reasons");
  reasons.replaceChildren(...seen.reasons.map((line) => element("li", line)));
  reasons.hidden = !seen.reasons.length;
  byId("published-rate").textContent = rate(seen.rate);
  byId("published").textContent = whole(seen.published);
  byId("pending").textContent = whole(seen.pending) + (seen.is_more ? "+" : "");
  byId("oldest").textContent = seen.oldest_seconds === null ? "nothing waits" : `the oldest ${age(seen.oldest_seconds)} old`;
  byId("p50").textContent = seen.latency ? milliseconds(seen.latency.p50) : "–";
  byId("p99").textContent = seen.latency ? milliseconds(seen.latency.p99) : "–";
  byId("dead").textContent = whole(seen.dead);
  byId("dead-noun").textContent = seen.dead === 1 ? "event" : "events";
  byId("blocking").textContent = seen.blocking ? `${whole(seen.blocking)} of them keep later ones back` : "nothing waits for them";
  byId("relays").textContent = `${seen.relays} ${seen.relays === 1 ? "relay" : "relays"} at work`;
  graph(byId("published-graph"), seen.rates);
  graph(byId("pending-graph"), seen.pendings);
  fill("topics", seen.topics.map((one) => row([
    element("td", one.topic, "name"), number(rate(one.rate)), small(one.rates, "events a second, the last hour"),
    number(whole(one.waiting)), number(whole(one.dead)), element("td", one.held ?? "", "words"),
  ], one.held !== null)), "nothing was published since somebody looks");
  fill("shards", seen.shards.map((one) => row([
    number(one.shard), element("td", one.owner ?? "–", "name"), element("td", one.lease), number(rate(one.rate)),
    small(one.rates, "events a second, the last hour"), number(whole(one.pending)),
    number(one.oldest_seconds === null ? "" : age(one.oldest_seconds)),
  ], one.is_stopped)), "there are no shards");
  fill("jobs", seen.jobs.map((one) => row([
    element("td", one.job), element("td", time(one.started_at), "when"), element("td", one.outcome ?? "–"),
    element("td", one.enabled ? time(one.due_at) : "disabled", "when"), element("td", one.detail ?? "", "words"),
  ], one.fails || one.is_late)), "the keeper has no jobs");
  byId("dead-section").hidden = !seen.groups.length;
  if (!seen.groups.length) byId("decided").hidden = true;
  if (!byId("ask").open) byId("groups").replaceChildren(...seen.groups.map(group));
}

function group(one) {
  const name = JSON.stringify([one.topic, one.event_type, one.reason]);
  const made = element("details", undefined, "box");
  made.append(element("summary", `${whole(one.events)} of ${one.event_type || "no type"} to ${one.topic}`), element("p", one.reason, "why"));
  const ids = element("ul", undefined, "ids");
  made.append(ids);
  if (mayAct) {
    const buttons = element("div", undefined, "buttons");
    for (const [decision, word] of [["retried", "Retry all …"], ["skipped", "Skip all …"]]) {
      const button = element("button", word);
      button.addEventListener("click", () => ask(decision, one));
      buttons.append(button);
    }
    made.append(buttons);
  } else made.append(element("p", "What becomes of them is decided by bridge dead retry and bridge dead skip.", "dim"));
  made.addEventListener("toggle", () => {
    if (made.open) { opened.add(name); list(ids, one); } else opened.delete(name);
  });
  made.open = opened.has(name);
  return made;
}

async function list(ids, one) {
  const query = new URLSearchParams({topic: one.topic, event_type: one.event_type, reason: one.reason});
  const answer = await in_turn(() => ask_for(`api/dead?${query}`));
  ids.replaceChildren(...(answer.error ? [element("li", answer.error)] : answer.events.map((event) => {
    const item = element("li"), link = element("button", event.event_id, "link");
    link.addEventListener("click", () => { byId("event-id").value = event.event_id; trace(event.event_id); });
    item.append(link, ` dead since ${time(event.died_at)}`);
    return item;
  })), ...(answer.more ? [element("li", "and more: bridge dead list", "dim")] : []));
}

let line = Promise.resolve();
function in_turn(ask) { // one after the other: the server answers few such questions at once
  line = line.then(ask);
  return line;
}

async function ask_for(path, options) {
  try {
    const answer = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options});
    const found = await answer.json();
    return answer.ok || found.error ? found : {error: `the server answered ${answer.status}`};
  } catch {
    return {error: "the server does not answer"};
  }
}

async function trace(id) {
  const traced = byId("traced");
  traced.replaceChildren(element("p", "looking …", "dim"));
  const answer = await ask_for(`api/trace?${new URLSearchParams({event_id: id})}`);
  if (answer.error) return traced.replaceChildren(element("p", answer.error, "box"));
  const box = element("div", undefined, "box"), list = element("dl");
  for (const [name, value] of Object.entries(answer.facts)) list.append(element("dt", name), element("dd", value));
  box.append(element("b", answer.answer), list);
  traced.replaceChildren(box);
  traced.scrollIntoView({block: "nearest"});
}

function ask(decision, one) {
  const dialog = byId("ask"), go = byId("ask-go");
  byId("ask-what").textContent = decision === "retried" ? "Publish these after all?" : "Give these up for good?";
  byId("ask-which").textContent = `${whole(one.events)} of ${one.event_type || "no type"} to ${one.topic}: ${one.reason}`;
  byId("ask-trouble").textContent = "";
  byId("ask-reason").value = "";
  go.textContent = decision === "retried" ? "Retry" : "Skip";
  go.onclick = async () => {
    if (!dialog.querySelector("form").reportValidity()) return;
    const body = JSON.stringify({decision, why: byId("ask-reason").value, topic: one.topic, event_type: one.event_type, reason: one.reason});
    const headers = {"Content-Type": "application/json", Authorization: `Bearer ${byId("ask-token").value}`};
    go.disabled = true;
    const answer = await ask_for("api/decide", {method: "POST", headers, body});
    go.disabled = false;
    if (answer.error) byId("ask-trouble").textContent = answer.error;
    else { dialog.close(); decided(decision, answer.decided); look(); }
  };
  byId("ask-cancel").onclick = () => dialog.close();
  dialog.showModal();
}

// The next look that knows of it may be seconds away.
function decided(decision, count) {
  const told = byId("decided"), word = decision === "retried" ? "to be published after all" : "given up";
  told.hidden = false;
  told.textContent = count
    ? `${whole(count)} ${word}. They leave this list within some seconds.`
    : "None of these were dead any more: somebody else has decided.";
}

function show(words, kind, when) {
  const verdict = byId("verdict");
  if (verdict.textContent !== words) verdict.textContent = words; // read aloud only when it changes
  verdict.className = `verdict ${kind}`;
  if (when) byId("when").textContent = when;
  document.title = kind === "well" ? "bridge" : `bridge: ${words}`;
}

let timer;
async function look() {
  clearTimeout(timer);
  const seen = await ask_for("api/overview");
  if (seen.error) show(seen.error, "away");
  else draw(seen);
  clearTimeout(timer); // of a look that was under way, too: one goes on
  timer = setTimeout(look, PAUSE);
}

byId("trace").addEventListener("submit", (event) => {
  event.preventDefault();
  trace(byId("event-id").value.trim());
});
look();
