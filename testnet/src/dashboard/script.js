"use strict";
// The page of a running network: the whole state first (`snapshot`), then what changes (`change`).

const SVG = "http://www.w3.org/2000/svg";
// More dots under way than this are a blur, and cost.
const FLIGHTS_MAX = 60;
const FLIGHT_MS = 900;
const NAMED_MAX = 60;
const MESSAGES_MAX = 120;
const LOG_MAX = 200;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const by = (id) => document.getElementById(id);

let net = null; // the snapshot, kept up to date
let chosen = null; // { node } or { a, b }
let said = ""; // what came of the last button
let busy = 0;
let lost = 0; // attempts since the connection was lost
let seenAt = 0; // when now_s was told
let places = []; // of nodes, in pixels
let shapes = { nodes: [], links: new Map() };
let flights = [];

// ---- small things

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
  return `${(ms / 60000).toFixed(1)} min`;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

const count = (number) => number.toLocaleString("en");
const name = (node) => net.nodes[node]?.name ?? "?";
const key = (a, b) => `${Math.min(a, b)}-${Math.max(a, b)}`;
const isOver = () => net?.phase === "ended" || lost > 4;
const nowS = () => net.now_s + (net.phase === "running" && !lost ? (performance.now() - seenAt) / 1000 : 0);

// ---- what is told

function connect() {
  const source = new EventSource("events");
  source.addEventListener("snapshot", (event) => {
    net = JSON.parse(event.data);
    lost = 0;
    seenAt = performance.now();
    build();
    if (net.phase === "ended") source.close();
  });
  source.addEventListener("change", (event) => {
    if (!net) return;
    take(JSON.parse(event.data));
    if (net.phase === "ended") source.close();
  });
  source.addEventListener("error", () => {
    source.close();
    if (net?.phase === "ended") return;
    lost += 1;
    show();
    // It may be that this page was too slow, or that too many look. It is gone when nobody answers.
    if (!net || lost <= 4) setTimeout(connect, Math.min(1000 * lost, 5000));
  });
}

function take(change) {
  net.now_s = change.now_s;
  seenAt = performance.now();
  for (const [index, now] of Object.entries(change.nodes ?? {})) net.nodes[index].now = now;
  if (change.links) net.links = change.links;
  if (change.totals) net.totals = change.totals;
  if (change.phase) { net.phase = change.phase; net.ending = change.ending; }
  const known = new Map(net.messages.map((message) => [message.n, message]));
  for (const message of change.messages ?? []) {
    const before = known.get(message.n);
    if (!before && message.delivered_s === undefined) pulse(message.from);
    if (message.delivered_s !== undefined && before?.delivered_s === undefined) fly(message);
    known.set(message.n, message);
  }
  if (change.messages) {
    net.messages = [...known.values()].sort((one, other) => one.n - other.n).slice(-MESSAGES_MAX);
  }
  const last = net.log.at(-1)?.n ?? -1;
  net.log.push(...(change.log ?? []).filter((line) => line.n > last));
  net.log = net.log.slice(-LOG_MAX);
  if (change.links) drawLinks();
  if (change.nodes) for (const index of Object.keys(change.nodes)) drawNode(Number(index));
  show(change);
}

async function ask(action, button) {
  busy += 1;
  said = "";
  if (button) button.disabled = true;
  try {
    const answer = await fetch("act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(action),
    });
    const body = await answer.json().catch(() => ({}));
    said = body.error ?? (answer.ok ? "" : `it was refused (${answer.status})`);
  } catch {
    said = "the run does not answer";
  }
  busy -= 1;
  if (button) button.disabled = false;
  if (said) said = said[0].toUpperCase() + said.slice(1);
  showTools();
  inspect();
}

// ---- the drawing

function build() {
  document.title = `${net.name} – martlet-testnet`;
  by("name").textContent = net.name;
  by("run-as").textContent = net.run_as;
  by("description").textContent = net.description;
  by("of").textContent = net.duration_s ? `of ${clock(net.duration_s)}` : "up";
  if (chosen && "node" in chosen && !net.nodes[chosen.node]) chosen = null;
  legend();
  layOut();
  show();
}

const radius = () => (net.nodes.length <= 24 ? 15 : net.nodes.length <= NAMED_MAX ? 11 : 7);

function layOut() {
  const map = by("map");
  const { width, height } = by("canvas").getBoundingClientRect();
  map.setAttribute("viewBox", `0 0 ${width} ${height}`);
  map.classList.toggle("many", net.nodes.length > NAMED_MAX);
  const r = radius();
  // A name stands outside of a circle of nodes where there is room, else below its node.
  const longest = Math.max(...net.nodes.map((node) => node.name.length), 1) * 7.2;
  const isRound = net.nodes.length > 1 && net.nodes.every(({ x, y }) => Math.hypot(x - 0.5, y - 0.5) > 0.45);
  const isOutside = isRound && longest + 2 * r < width / 6;
  const beside = isOutside ? longest + r + 14 : Math.min(Math.max(r + 14, longest / 2 + 6), width / 5);
  places = net.nodes.map(({ x, y }) => ({
    x: net.nodes.length === 1 ? width / 2 : beside + x * (width - 2 * beside),
    y: net.nodes.length === 1 ? height / 2 : r + 28 + y * (height - 2 * r - 58),
  }));
  shapes = { nodes: [], links: new Map() };
  flights = [];
  const layers = ["links", "nodes", "flights"].map((id) => draw("g", { id }));
  map.replaceChildren(...layers);
  drawLinks();
  net.nodes.forEach((node, index) => {
    const group = draw("g", { tabindex: 0, role: "button", "data-node": node.name });
    const at = places[index];
    const side = !isOutside || Math.abs(node.x - 0.5) < 0.2 ? "middle" : node.x < 0.5 ? "end" : "start";
    const isAbove = isOutside && side === "middle" && node.y < 0.5;
    const label = side === "middle" ? { x: 0, y: isAbove ? -r - 12 : r + 21 } : { x: side === "end" ? -r - 12 : r + 12, y: 4.5 };
    const isBelow = side === "middle" && !isAbove;
    group.setAttribute("transform", `translate(${at.x} ${at.y})`);
    group.append(
      draw("circle", { class: "side", r: r + 4 }),
      draw("circle", { class: "halo", r: r + 8 }),
      body(node.role, r),
      draw("text", { class: "sign" }),
      draw("text", { class: "name", ...label, "text-anchor": side }, node.name),
      draw("g", { class: "badge", transform: `translate(${r * 0.9} ${isBelow ? -r : r})` }),
    );
    const choose = () => { chosen = chosen?.node === index ? null : { node: index }; said = ""; choice(); };
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); }
    });
    layers[1].append(group);
    shapes.nodes[index] = group;
    drawNode(index);
  });
}

function body(role, r) {
  if (role === "edge") return draw("rect", { class: "body", x: -r * 0.9, y: -r * 0.9, width: r * 1.8, height: r * 1.8, rx: 2 });
  if (role === "mailbox") {
    const d = r * 1.25;
    return draw("path", { class: "body", d: `M0 ${-d}L${d} 0L0 ${d}L${-d} 0Z` });
  }
  return draw("circle", { class: "body", r });
}

const words = { on: "on", off: "off", starting: "starting", stopping: "stopping", left: "left for ever" };

function drawNode(index) {
  const group = shapes.nodes[index];
  if (!group) return;
  const { name, now } = net.nodes[index];
  const classes = ["node", now.state];
  if (now.state === "on" && !now.answers) classes.push("silent");
  if (now.disk_full) classes.push("full-disk");
  if (now.group !== undefined) classes.push(`side-${now.group % 4}`);
  if (chosen?.node === index) classes.push("chosen");
  group.setAttribute("class", classes.join(" "));
  group.setAttribute("aria-label", `${name}: ${words[now.state]}`);
  group.setAttribute("aria-pressed", chosen?.node === index);
  group.querySelector(".sign").textContent = now.state === "off" || now.state === "left" ? "✕" : "";
  const badge = group.querySelector(".badge");
  if (!now.waiting) return badge.replaceChildren();
  const text = now.waiting > 999 ? "999+" : String(now.waiting);
  const wide = 11 + text.length * 7;
  badge.replaceChildren(
    draw("rect", { x: -wide / 2, y: -8.5, width: wide, height: 17, rx: 8.5 }),
    draw("text", {}, text),
  );
}

function drawLinks() {
  const layer = by("links");
  const wanted = new Set();
  for (const link of net.links) {
    const id = key(link.a, link.b);
    wanted.add(id);
    let group = shapes.links.get(id);
    if (!group) {
      const [one, other] = [places[link.a], places[link.b]];
      const line = { x1: one.x, y1: one.y, x2: other.x, y2: other.y };
      const [x, y] = [(one.x + other.x) / 2, (one.y + other.y) / 2];
      group = draw("g", { "data-link": `${name(link.a)} ${name(link.b)}` },
        draw("line", { ...line, class: "hit" }),
        draw("line", line),
        draw("path", { class: "cross", d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10` }),
      );
      group.firstChild.addEventListener("click", () => { chosen = { a: link.a, b: link.b }; said = ""; choice(); });
      group.firstChild.append(draw("title", {}, `${name(link.a)} and ${name(link.b)}`));
      shapes.links.set(id, group);
      layer.append(group);
    }
    const classes = ["link", link.cut ? "cut" : link.by ?? "none"];
    if (!link.planned) classes.push("extra");
    if (chosen && key(chosen.a, chosen.b) === id) classes.push("chosen");
    group.children[1].setAttribute("class", classes.join(" "));
    group.children[2].toggleAttribute("hidden", !link.cut || isSplit(link));
  }
  for (const [id, group] of shapes.links) {
    if (!wanted.has(id)) { group.remove(); shapes.links.delete(id); }
  }
}

// The shortest connected way, by which a dot flies: which way a message took nobody knows.
function way(from, to) {
  const near = net.nodes.map(() => []);
  for (const { a, b, by: carrier, cut } of net.links) {
    if (carrier && !cut) { near[a].push(b); near[b].push(a); }
  }
  const before = new Map([[from, null]]);
  const waiting = [from];
  while (waiting.length && !before.has(to)) {
    const here = waiting.shift();
    for (const next of near[here]) if (!before.has(next)) { before.set(next, here); waiting.push(next); }
  }
  if (!before.has(to)) return [from, to];
  const found = [];
  for (let here = to; here !== null; here = before.get(here)) found.unshift(here);
  return found;
}

const isShown = () => !still.matches && !document.hidden && flights.length < FLIGHTS_MAX;

function fly(message) {
  if (!isShown() || message.from === message.to) return;
  const dot = draw("circle", { class: "flight", r: 5 });
  by("flights").append(dot);
  flights.push({ dot, path: way(message.from, message.to), to: message.to, begun: performance.now() });
  if (flights.length === 1) requestAnimationFrame(move);
}

function pulse(node) {
  if (!isShown() || !places[node]) return;
  const ring = draw("circle", { class: "ring", cx: places[node].x, cy: places[node].y, r: radius() });
  by("flights").append(ring);
  flights.push({ ring, begun: performance.now() });
  if (flights.length === 1) requestAnimationFrame(move);
}

function move(at) {
  flights = flights.filter((flight) => {
    const part = Math.max(0, (at - flight.begun) / (flight.ring ? 500 : FLIGHT_MS));
    if (flight.ring) {
      flight.ring.setAttribute("r", radius() + part * 14);
      flight.ring.setAttribute("opacity", Math.max(0, 1 - part));
      if (part >= 1) flight.ring.remove();
      return part < 1;
    }
    const steps = flight.path.length - 1;
    const eased = part < 0.5 ? 2 * part * part : 1 - (2 - 2 * part) ** 2 / 2;
    const along = Math.min(eased, 1) * steps;
    const step = Math.min(Math.floor(along), steps - 1);
    const [one, other] = [places[flight.path[step]], places[flight.path[step + 1]]];
    if (one && other) {
      flight.dot.setAttribute("cx", one.x + (other.x - one.x) * (along - step));
      flight.dot.setAttribute("cy", one.y + (other.y - one.y) * (along - step));
    }
    if (part < 1) return true;
    flight.dot.remove();
    return false;
  });
  if (flights.length) requestAnimationFrame(move);
}

function legend() {
  const key = (...drawn) => draw("svg", { viewBox: "0 0 28 16", "aria-hidden": "true" }, ...drawn);
  const line = (kind) => key(draw("line", { class: `link ${kind}`, x1: 1, y1: 8, x2: 27, y2: 8 }));
  const sign = (state, role) => key(draw("g", { class: `node ${state}`, transform: "translate(14 8)" }, body(role, 6)));
  const roles = new Set(net.nodes.map((node) => node.role));
  const entries = [
    [sign("on", "full"), "on"], [sign("off", "full"), "off"], [sign("starting", "full"), "starting or stopping"],
    ...(roles.has("mailbox") ? [[sign("on", "mailbox"), "mailbox"]] : []),
    ...(roles.has("edge") ? [[sign("on", "edge"), "edge"]] : []),
    [line("tcp"), "TCP"], [line("quic"), "QUIC"], [line("none"), "not connected"], [line("cut"), "cut"],
    [key(draw("circle", { class: "flight", cx: 14, cy: 8, r: 5 })), "delivered, along the shortest way"],
    [key(draw("g", { class: "badge", transform: "translate(14 8)" }, draw("rect", { x: -9, y: -8, width: 18, height: 16, rx: 8 }), draw("text", {}, "2"))), "on their way, from here"],
  ];
  by("legend").replaceChildren(...entries.map(([drawn, text]) => make("li", {}, drawn, text)));
}

// ---- words and numbers

function show(change) {
  showHead();
  if (!net) return;
  if (!change || change.nodes || change.links || change.totals) showTiles();
  if (!change || change.messages) { showMessages(); showPlot(); }
  if (!change || change.log) showLog();
  showTools();
  if (!change || change.nodes || change.links || change.phase) inspect();
}

function showHead() {
  const phase = by("phase");
  const banner = by("banner");
  const over = isOver();
  let [kind, text] = [net?.phase ?? "starting", net?.phase ?? "connecting"];
  if (net?.ending) [kind, text] = [net.ending.good ? "running" : "bad", "ended"];
  else if (lost) [kind, text] = ["lost", over ? "gone" : "reconnecting"];
  phase.className = `pill ${kind}`;
  phase.textContent = text;
  banner.hidden = !(net?.ending || over);
  banner.className = net?.ending ? (net.ending.good ? "good" : "bad") : "";
  banner.textContent = net?.ending
    ? `The run has ended: ${net.ending.words}. This is its last state.`
    : "The run does not answer any more. This is its last known state.";
  if (!net) return;
  by("now").textContent = net.phase === "starting" ? "–" : clock(nowS());
  const part = net.duration_s ? Math.min(nowS() / net.duration_s, 1) : 0;
  by("progress").style.width = `${(net.phase === "starting" ? 0 : part) * 100}%`;
}

function showTiles() {
  const { totals, nodes, links } = net;
  const on = nodes.filter((node) => node.now.state === "on").length;
  const up = links.filter((link) => link.by && !link.cut).length;
  const planned = links.filter((link) => link.planned).length;
  const under = totals.written - totals.delivered - totals.expired;
  const received = nodes.reduce((sum, node) => sum + node.now.received_bytes, 0);
  const tiles = [
    ["nodes on", count(on), `of ${count(nodes.length)}`],
    ["connected", count(up), up > planned ? "" : `of ${count(planned)}`],
    ["written", count(totals.written), net.planned ? `of ${count(net.planned)}` : ""],
    ["sent", count(totals.sent), ""],
    ["delivered", count(totals.delivered), ""],
    ["on their way", count(Math.max(0, under)), ""],
    ["half within", span(totals.p50_ms), ""],
    ["99 % within", span(totals.p99_ms), ""],
  ];
  by("tiles").title = `Nodes received ${bytes(received)} since their last start.`;
  by("tiles").replaceChildren(...tiles.map(([term, value, rest]) =>
    make("div", { "data-tile": term }, make("dt", {}, term), make("dd", {}, value, " ", make("small", {}, rest)))));
}

function showMessages() {
  const rows = [...net.messages].reverse().slice(0, 60).map((message) => {
    const state = message.expired ? "expired" : message.delivered_s !== undefined ? "delivered"
      : message.sent_s !== undefined ? "sent" : "written";
    const took = message.delivered_s === undefined ? "" : span((message.delivered_s - message.written_s) * 1000);
    return make("tr", {},
      make("td", {}, clock(message.written_s)),
      make("td", { class: "pair" }, `${name(message.from)} → ${name(message.to)}`),
      make("td", { class: `way ${state}` }, state),
      make("td", { class: "number" }, took));
  });
  if (!rows.length) rows.push(make("tr", {}, make("td", { class: "empty", colspan: 4 }, "None yet.")));
  by("messages").replaceChildren(...rows);
  by("messages-note").textContent = net.messages.length > 60 ? "the last 60" : "";
}

function showPlot() {
  const plot = by("plot");
  const { width, height } = plot.getBoundingClientRect();
  const done = net.messages.filter((message) => message.delivered_s !== undefined);
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const took = (message) => Math.max((message.delivered_s - message.written_s) * 1000, 1);
  const most = Math.max(1000, ...done.map(took));
  const high = Math.ceil(Math.log10(most));
  const y = (ms) => height - 10 - (Math.log10(ms) / high) * (height - 22);
  const from = done.length ? done[0].written_s : 0;
  const to = Math.max(done.at(-1)?.written_s ?? 0, from + 10);
  const x = (at) => 52 + ((at - from) / (to - from)) * (width - 62);
  const grid = [];
  for (let power = 0; power <= high; power += Math.ceil(high / 4)) {
    const ms = 10 ** power;
    grid.push(draw("line", { class: "grid", x1: 46, x2: width, y1: y(ms), y2: y(ms) }),
      draw("text", { x: 0, y: y(ms) + 4 }, ms < 1000 ? `${ms} ms` : ms < 60000 ? `${ms / 1000} s` : `${Math.round(ms / 60000)} min`));
  }
  plot.replaceChildren(...grid, ...done.map((message) => draw("circle", { cx: x(message.written_s), cy: y(took(message)), r: 2.5 })));
}

function showLog() {
  const lines = [...net.log].reverse().map((line) => {
    const what = make("span", { class: line.kind === "failed" ? "failed" : "" }, line.what);
    if (line.by_hand) what.append(make("span", { class: "hand" }, "by hand"));
    return make("li", {}, make("span", { class: "at" }, clock(line.at_s)), what);
  });
  if (!lines.length) lines.push(make("li", { class: "empty" }, make("span", {}, "None yet.")));
  by("log").replaceChildren(...lines);
}

const canAct = () => net?.phase === "running" && !lost;

function showTools() {
  if (!net) return;
  const isBroken = net.nodes.some((node) => node.now.group !== undefined) || net.links.some((link) => link.cut);
  by("split").hidden = by("heal").hidden = !net.can.split;
  by("split").disabled = !canAct() || busy > 0 || net.nodes.length < 2;
  by("heal").disabled = !canAct() || busy > 0 || !isBroken;
}

by("heal").addEventListener("click", () => ask({ do: "heal" }));
by("split").addEventListener("click", () => {
  const order = net.nodes.map((node, index) => ({ index, x: node.x, y: node.y }));
  order.sort((one, other) => one.x - other.x || one.y - other.y);
  ask({ do: "split", nodes: order.slice(0, Math.ceil(order.length / 2)).map((node) => node.index) });
});

function choice() {
  net.nodes.forEach((_, index) => drawNode(index));
  drawLinks();
  inspect();
}

let shown = "";

function inspect() {
  const box = by("inspector");
  // Only what differs is drawn anew, or a button would go away under a finger.
  const now = JSON.stringify([chosen, said, canAct(), busy, chosen && ("node" in chosen ? net.nodes[chosen.node].now : 0), chosen && net.links]);
  if (now === shown) return;
  shown = now;
  const parts = !chosen ? hint() : "node" in chosen ? ofNode(chosen.node) : ofLink(chosen);
  if (said) parts.push(make("p", { class: "said" }, said + "."));
  box.replaceChildren(...parts);
}

function hint() {
  return [make("h2", {}, "Choose a node or a link"), make("p", { class: "note" }, "to see how it is, and to break it.")];
}

function button(text, action, kind = "") {
  const made = make("button", { type: "button", class: kind, disabled: !canAct() || busy > 0, "data-do": action.do }, text);
  made.addEventListener("click", () => ask(action, made));
  return made;
}

function ofNode(node) {
  const { name: called, role, user, now } = net.nodes[node];
  const facts = [
    ["state", now.state === "on" && !now.answers ? "no answer" : words[now.state]],
    ["connections", now.state === "on" ? now.connections : "–"],
    ["in its mailbox", count(now.mailbox_envelopes)],
    ["received", bytes(now.received_bytes)],
    ["sent", bytes(now.sent_bytes)],
    ["on their way", count(now.waiting)],
  ];
  const buttons = [];
  if (now.state === "on" || now.state === "starting" || now.state === "stopping") {
    buttons.push(button("Kill", { do: "kill", node }, "danger"), button("Stop", { do: "stop", node }));
  } else if (now.state === "off") {
    buttons.push(button("Start", { do: "start", node }));
  }
  if (net.can.harm && now.state === "on") {
    buttons.push(now.disk_full ? button("Free its disk", { do: "free-disk", node }) : button("Fill its disk", { do: "fill-disk", node }));
    buttons.push(button("Flood it for 10 s", { do: "flood", node }));
  }
  const notes = [];
  if (now.disk_full) notes.push("Its disk is full.");
  if (now.flooded_until_s > nowS()) notes.push("A hostile peer floods it.");
  const links = net.links.filter((link) => link.a === node || link.b === node).map((link) => {
    const other = link.a === node ? link.b : link.a;
    const isApart = isSplit(link);
    const is = isApart ? "cut by the split" : link.cut ? "cut" : link.by ? { tcp: "TCP", quic: "QUIC" }[link.by] ?? link.by : "not connected";
    const to = make("button", { type: "button", class: "text" }, name(other));
    to.addEventListener("click", () => { chosen = { node: other }; said = ""; choice(); });
    const row = make("li", {}, to, make("span", { class: "note" }, is));
    if (net.can.cut && link.planned && !isApart) row.append(cutter(link));
    return row;
  });
  const about = `${role} node${user ? "" : ", no user"}`;
  return [
    make("h2", {}, called, make("small", {}, about)),
    make("dl", { class: "facts" }, ...facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, String(value))))),
    ...notes.map((text) => make("p", { class: "said" }, text)),
    make("div", { class: "buttons" }, ...buttons),
    ...(links.length ? [make("ul", {}, ...links)] : []),
  ];
}

// A link may be cut by a split and whole by itself: mending is for those cut alone.
const isSplit = (link) => net.nodes[link.a].now.group !== net.nodes[link.b].now.group;

function cutter(link) {
  const [a, b] = [link.a, link.b];
  return link.cut ? button("Mend", { do: "mend", a, b }, "small") : button("Cut", { do: "cut", a, b }, "small danger");
}

function ofLink({ a, b }) {
  const link = net.links.find((link) => link.a === a && link.b === b);
  const is = !link ? "gone" : link.cut ? "cut: nothing gets through, and nobody is told"
    : link.by ? `connected by ${{ tcp: "TCP", quic: "QUIC" }[link.by] ?? link.by}` : "not connected";
  const parts = [make("h2", {}, `${name(a)} – ${name(b)}`, make("small", {}, link?.planned === false ? "found by itself" : "link")), make("p", {}, is)];
  if (link && net.can.cut && link.planned && !isSplit(link)) parts.push(make("div", { class: "buttons" }, cutter(link)));
  return parts;
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen) { chosen = null; said = ""; choice(); }
});
let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { if (net) { layOut(); showPlot(); } }, 100);
});
setInterval(showHead, 500);
connect();
