const api = document.currentScript.dataset.api;
const list = document.getElementById("items");

async function call(path, method = "GET", body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const response = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
}

async function show() {
  const items = await call("items/");
  list.replaceChildren(...items.map((item) => {
    const row = document.createElement("li");
    row.textContent = item.title;
    row.className = item.done ? "done" : "";
    row.onclick = () => call(`items/${item.id}/`, "PATCH", { done: !item.done }).then(show);
    return row;
  }));
}

document.getElementById("new").onsubmit = async (event) => {
  event.preventDefault();
  const title = document.getElementById("title");
  await call("items/", "POST", { title: title.value });
  title.value = "";
  await show();
};
document.getElementById("digest").onclick = () => call("digests/", "POST", {});
show();
