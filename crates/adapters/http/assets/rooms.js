// Two accounts, one room, three sockets: what a web client of the rooms does, in one page.
"use strict";

const element = (id) => document.getElementById(id);
const random = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Calls the API, and says what it answers where that is no success. */
async function call(method, path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { method, headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** An account of this page. Its password is forgotten with the page. */
async function account(name) {
  const username = `${name.toLowerCase()}-${random(4)}`;
  const made = await call("POST", "/users", { username, password: `A1!${random(16)}`, display_name: name });
  return { id: made.id, token: made.access_token };
}

/** Shows a frame. The newest stands first. */
function show(list, type, text) {
  const item = document.createElement("li");
  item.dataset.type = type;
  item.textContent = text;
  list.prepend(item);
}

/** A socket that shows what it hears, and remembers where it is in the log of the room. */
class Ear {
  constructor(room, user, list) {
    Object.assign(this, { room, user, list, position: null, socket: null });
  }

  /** Connects. Browsers cannot set headers on a WebSocket: the token goes into a subprotocol. */
  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const since = this.position ? `?since=${this.position}` : "";
    const url = `${scheme}//${location.host}/ws/${this.room}/${this.user.id}${since}`;
    this.socket = new WebSocket(url, ["frontdesk.v1", `base64url.bearer.${base64url(this.user.token)}`]);
    return new Promise((resolve, reject) => {
      this.socket.onclose = ({ code, reason }) => {
        show(this.list, "closed", `closed ${code} ${reason}`);
        reject(new Error(`a socket was closed: ${code} ${reason}`));
      };
      this.socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.offset !== undefined) this.position = `${frame.epoch}:${frame.offset}`;
        show(this.list, frame.type, JSON.stringify(frame, null, 1));
        if (frame.type === "welcome") resolve();
      };
    });
  }

  drop() {
    this.socket.close(1000);
  }
}

async function main() {
  const [ada, bea] = [await account("Ada"), await account("Bea")];
  // Of a profile that is not public, others see no more than the name and the picture.
  await call("PATCH", "/api/v1/profile", { public_profile: true }, ada.token);
  const room = `docs-${random(8)}`;
  const peer = new Ear(room, bea, element("peer"));
  const own = new Ear(room, ada, element("own"));
  await own.connect();
  await peer.connect();
  element("edit").onsubmit = async (submitted) => {
    submitted.preventDefault();
    const change = {};
    for (const { name, value } of submitted.target.querySelectorAll("input")) change[name] = value === "" ? null : value;
    try {
      element("answer").textContent = JSON.stringify(await call("PATCH", "/api/v1/profile", change, ada.token), null, 1);
    } catch (error) {
      element("answer").textContent = error.message;
    }
  };
  element("drop").onclick = () => {
    peer.drop();
    element("drop").disabled = true;
    element("back").disabled = false;
  };
  element("back").onclick = () => {
    element("drop").disabled = false;
    element("back").disabled = true;
    // Why it was closed stands in its list.
    peer.connect().catch(() => {});
  };
  element("save").disabled = element("drop").disabled = false;
  element("status").textContent = `Ada and Bea are in the room ${room}. Ada's profile is public.`;
  element("status").dataset.is = "ready";
}

main().catch((error) => {
  element("status").textContent = `This page does not work here: ${error.message}`;
  element("status").dataset.is = "wrong";
});
