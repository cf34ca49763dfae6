// A crosshair and the values under it. Without this script the charts are whole, only mute.
"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const source = plot.querySelector("script");
  if (!source) continue;
  const data = JSON.parse(source.textContent);
  const cross = document.createElement("div");
  const tip = document.createElement("div");
  cross.className = "cross";
  tip.className = "tip";
  cross.hidden = tip.hidden = true;
  plot.append(cross, tip);
  const nearest = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  };
  const when = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 16) + " UTC";
  const row = (text, tag) => {
    const line = document.createElement(tag);
    line.textContent = text;
    tip.append(line);
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const lead = data.lines.find((line) => line.x.length);
    if (!lead) return;
    const x = lead.x[nearest(lead.x, data.from + share * (data.until - data.from))];
    const left = (x - data.from) / (data.until - data.from);
    tip.textContent = "";
    row(data.at ? when(data.at[x]) : data.time ? when(x) : String(x), "b");
    for (const line of data.lines) {
      if (!line.x.length) continue;
      const value = line.v[nearest(line.x, x)].toLocaleString("en-US", {
        minimumFractionDigits: data.decimals, maximumFractionDigits: data.decimals,
      });
      row(line.n + ": " + value + data.after, "div");
    }
    cross.hidden = tip.hidden = false;
    cross.style.left = left * 100 + "%";
    tip.style.left = left < 0.5 ? `calc(${left * 100}% + 10px)` : "auto";
    tip.style.right = left < 0.5 ? "auto" : `calc(${(1 - left) * 100}% + 10px)`;
  });
  plot.addEventListener("pointerleave", () => { cross.hidden = tip.hidden = true; });
}
