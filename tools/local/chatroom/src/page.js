const room = document.getElementById("room");
const open = new Set();
let shown = room.innerHTML;
room.addEventListener("toggle", (event) => {
  const id = event.target.dataset.id;
  if (event.target.open) open.add(id); else open.delete(id);
}, true);
room.addEventListener("click", async (event) => {
  const { action, value } = event.target.dataset;
  if (!action || !confirm("It is recorded in your name.")) return;
  const user = document.getElementById("who").value;
  await fetch("/press", { method: "POST", body: new URLSearchParams({ action, value, user }) });
});
setInterval(async () => {
  const now = await (await fetch("/inside")).text();
  if (now === shown) return;
  shown = now;
  room.innerHTML = now;
  for (const id of open) document.querySelector(`details[data-id="${id}"]`)?.setAttribute("open", "");
}, 1000);
