const site = document.getElementById("site");
let shown = site.innerHTML;
setInterval(async () => {
  const now = await (await fetch("/inside")).text();
  if (now === shown) return;
  shown = now;
  site.innerHTML = now;
}, 1000);
