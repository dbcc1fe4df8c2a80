// The two things on the page that move: a hair line over the curves, and the price chart with its trades.
// Everything is drawn from the JSON in this very file; the page's policy allows no request.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const ist = (seconds) => new Date((seconds + 19800) * 1000); // read with getUTC…
  const two = (number) => String(number).padStart(2, "0");
  const date = (s) => { const d = ist(s); return `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${d.getUTCFullYear()}`; };
  const clock = (s) => { const d = ist(s); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`; };
  const rupees = (paise) => (paise / 100).toLocaleString("en-IN", { style: "currency", currency: "INR" });
  const price = (paise) => (paise / 100).toLocaleString("en-IN", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const percent = (share) => `${(share * 100).toFixed(2)} %`;
  const running = (steps) => { let sum = 0; return steps.map((step) => (sum += step)); };

  // -- curves ---------------------------------------------------------------------------------------------------------
  const curve = data.curve;
  const read = document.getElementById("read");
  if (curve && read) {
    const resting = read.textContent;
    const boxes = [...document.querySelectorAll(".plot[data-hover] .box")];
    const hairs = boxes.map((box) => {
      const hair = document.createElement("i");
      hair.className = "hair";
      hair.hidden = true;
      return box.appendChild(hair);
    });
    const wide = Math.max(curve.at[curve.at.length - 1], 1);
    const show = (event) => {
      const area = event.currentTarget.getBoundingClientRect();
      const wanted = Math.min(Math.max((event.clientX - area.left) / area.width, 0), 1) * wide;
      let point = curve.at.findIndex((place) => place >= wanted);
      if (point < 0) point = curve.at.length - 1;
      for (const hair of hairs) { hair.hidden = false; hair.style.left = `${(curve.at[point] / wide) * 100}%`; }
      read.textContent = `${date(curve.ts[point])} ${clock(curve.ts[point])} · equity ${rupees(curve.equity[point])}`
        + ` · drawdown ${percent(curve.drawdown[point])} · in the market ${percent(curve.exposure[point])}`;
    };
    const rest = () => { for (const hair of hairs) hair.hidden = true; read.textContent = resting; };
    for (const box of boxes) {
      box.addEventListener("pointermove", show);
      box.addEventListener("pointerdown", show);
      box.addEventListener("pointerleave", rest);
    }
  }

  // -- price and trades -----------------------------------------------------------------------------------------------
  const panel = document.getElementById("chart");
  if (!panel || !data.charts || !data.charts.length) return;
  const canvas = panel.querySelector("canvas"), pick = panel.querySelector("select"), said = panel.querySelector("output");
  const pen = canvas.getContext("2d");
  const RIGHT = 74, FOOT = 24, TOP = 8;
  let chart, trades, from, to, width, height, hover = null;

  for (const each of data.charts) each.time = running(each.ts);
  const placeOf = (ts) => { // the candle that holds the moment: the first that ends at or after it
    let low = 0, high = chart.time.length - 1;
    while (low < high) { const middle = (low + high) >> 1; if (chart.time[middle] < ts) low = middle + 1; else high = middle; }
    return low;
  };
  const select = (number) => {
    chart = data.charts[number];
    trades = data.trades.filter((trade) => trade.chart === number);
    for (const trade of trades) { trade.a = placeOf(trade.in) + 0.5; trade.b = placeOf(trade.out) + 0.5; }
    pick.value = number;
    all();
  };
  const all = () => { from = 0; to = chart.time.length; draw(); };
  const view = (start, count) => {
    const total = chart.time.length;
    count = Math.min(Math.max(count, Math.min(20, total)), total);
    from = Math.min(Math.max(start, 0), total - count);
    to = from + count;
    draw();
  };
  const zoom = (factor, at = 0.5) => view(from + (to - from) * at * (1 - factor), (to - from) * factor);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  let x, y;
  function draw() {
    const scale = window.devicePixelRatio || 1;
    width = canvas.clientWidth - RIGHT;
    height = canvas.clientHeight - FOOT;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.font = "12px system-ui, sans-serif";
    const first = Math.floor(from), last = Math.min(Math.ceil(to), chart.time.length);
    let low = Infinity, high = -Infinity;
    for (let i = first; i < last; i++) { low = Math.min(low, chart.low[i]); high = Math.max(high, chart.high[i]); }
    const shown = trades.filter((trade) => trade.b >= from && trade.a <= to);
    const room = (high - low) * 0.06 || 100;
    low -= room; high += room;
    x = (place) => ((place - from) / (to - from)) * width;
    y = (value) => TOP + ((high - value) / (high - low)) * (height - TOP);
    grid(low, high, first, last);
    pen.save();
    pen.beginPath(); pen.rect(0, 0, width, height); pen.clip();
    candles(first, last);
    for (const trade of shown) line(trade, shown.length > 300 ? 0.35 : 0.9);
    const roomy = shown.length < width / 8;
    for (const trade of shown) roomy ? marks(trade) : dot(trade, 2);
    if (hover) { pen.strokeStyle = colour("soft"); pen.globalAlpha = 0.6; stroke(hover.x, 0, hover.x, height); pen.globalAlpha = 1; }
    pen.restore();
  }
  const stroke = (x1, y1, x2, y2) => { pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(x2, y2); pen.stroke(); };
  function grid(low, high, first, last) {
    pen.strokeStyle = colour("line"); pen.fillStyle = colour("soft"); pen.lineWidth = 1;
    const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((size) => size * power).find((size) => size >= rough);
    pen.textBaseline = "middle"; pen.textAlign = "left";
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      stroke(0, y(value), width, y(value));
      pen.fillText(step >= 100 ? (value / 100).toLocaleString("en-IN") : price(value), width + 8, y(value));
    }
    const count = Math.max(2, Math.floor(width / 130)), room = chart.time[last - 1] - chart.time[first];
    pen.textBaseline = "top"; pen.textAlign = "center";
    for (let k = 0; k < count; k++) {
      const place = Math.min(Math.floor(from + ((k + 0.5) / count) * (to - from)), last - 1), ts = chart.time[place];
      pen.fillText(room > 3 * 86400 ? date(ts) : `${date(ts).slice(0, -5)} ${clock(ts)}`, x(place + 0.5), height + 8);
    }
  }
  function candles(first, last) {
    const size = width / (to - from), up = colour("up"), down = colour("down");
    if (size < 3) { // too narrow for bodies: the range as a band
      pen.strokeStyle = colour("soft"); pen.lineWidth = 1; pen.beginPath();
      for (let i = first; i < last; i++) { pen.moveTo(x(i + 0.5), y(chart.high[i])); pen.lineTo(x(i + 0.5), y(chart.low[i]) + 0.5); }
      pen.stroke();
      return;
    }
    for (let i = first; i < last; i++) {
      const middle = x(i + 0.5), a = y(chart.open[i]), b = y(chart.close[i]);
      pen.strokeStyle = pen.fillStyle = chart.close[i] >= chart.open[i] ? up : down;
      pen.globalAlpha = 0.55; pen.lineWidth = 1;
      stroke(middle, y(chart.high[i]), middle, y(chart.low[i]));
      pen.fillRect(middle - size * 0.35, Math.min(a, b), size * 0.7, Math.max(Math.abs(a - b), 1));
    }
    pen.globalAlpha = 1;
  }
  function line(trade, alpha) {
    pen.globalAlpha = trade === (hover && hover.trade) ? 1 : alpha;
    pen.lineWidth = trade === (hover && hover.trade) ? 3 : 1.5;
    pen.strokeStyle = colour(trade.net > 0 ? "up" : "down");
    stroke(x(trade.a), y(trade.from), x(trade.b), y(trade.to));
    pen.globalAlpha = 1;
  }
  function marks(trade) {
    const a = x(trade.a), p = y(trade.from), tip = trade.side * 9;
    pen.fillStyle = colour(trade.side > 0 ? "mark" : "second");
    pen.strokeStyle = colour("card"); pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(a, p); pen.lineTo(a - 5, p + tip); pen.lineTo(a + 5, p + tip); pen.closePath(); pen.fill(); pen.stroke();
    dot(trade, 3.5);
    pen.stroke();
  }
  function dot(trade, size) {
    pen.fillStyle = colour(trade.net > 0 ? "up" : "down");
    pen.beginPath(); pen.arc(x(trade.b), y(trade.to), size, 0, 7); pen.fill();
  }
  const tell = (trade) => `${trade.side > 0 ? "Long" : "Short"} ${trade.quantity} · ${date(trade.in)} ${clock(trade.in)} at ${price(trade.from)}`
    + ` → ${date(trade.out)} ${clock(trade.out)} at ${price(trade.to)} · net ${rupees(trade.net)}`;
  function point(event) {
    const area = canvas.getBoundingClientRect(), px = event.clientX - area.left, py = event.clientY - area.top;
    const i = Math.min(Math.max(Math.floor(from + (px / width) * (to - from)), 0), chart.time.length - 1);
    const reach = (trade) => Math.min(Math.hypot(x(trade.a) - px, y(trade.from) - py), Math.hypot(x(trade.b) - px, y(trade.to) - py));
    let trade = null, best = 14;
    for (const each of trades) { const far = reach(each); if (far < best) { best = far; trade = each; } }
    hover = { x: x(i + 0.5), trade };
    said.textContent = trade ? tell(trade)
      : `${date(chart.time[i])} ${clock(chart.time[i])} · open ${price(chart.open[i])} high ${price(chart.high[i])} low ${price(chart.low[i])} close ${price(chart.close[i])}`;
    draw();
  }

  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); canvas.setPointerCapture(event.pointerId); point(event); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => { hover = null; draw(); });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before && fingers.size === 1) view(from - ((event.clientX - before.clientX) / width) * (to - from), to - from);
    if (before && fingers.size === 2) {
      const other = [...fingers.values()].find((each) => each.pointerId !== event.pointerId);
      const was = Math.abs(before.clientX - other.clientX), is = Math.abs(event.clientX - other.clientX);
      const middle = ((event.clientX + other.clientX) / 2 - canvas.getBoundingClientRect().left) / width;
      if (was > 10 && is > 10) zoom(was / is, middle);
    }
    if (before) fingers.set(event.pointerId, event);
    point(event);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, (event.clientX - canvas.getBoundingClientRect().left) / width);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const act = { ArrowLeft: () => view(from - (to - from) / 5, to - from), ArrowRight: () => view(from + (to - from) / 5, to - from),
      "+": () => zoom(0.6), "-": () => zoom(1 / 0.6), Home: all }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  for (const [name, act] of Object.entries({ closer: () => zoom(0.5), wider: () => zoom(2), whole: all }))
    panel.querySelector(`[data-act=${name}]`).addEventListener("click", act);
  pick.addEventListener("change", () => select(Number(pick.value)));
  for (const button of document.querySelectorAll("[data-trade]"))
    button.addEventListener("click", () => {
      const trade = data.trades[Number(button.dataset.trade)];
      select(trade.chart);
      view(trade.a - Math.max((trade.b - trade.a) * 1.5, 40), Math.max((trade.b - trade.a) * 4, 80));
      hover = { x: x(trade.a), trade };
      draw();
      said.textContent = tell(trade);
      panel.scrollIntoView({ block: "center" });
    });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(canvas);
  select(0);
})();
