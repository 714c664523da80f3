// What the search of a built site finds, by its own engine: node site_search.js SITE QUERY ...
// Prints one JSON object: by query the first pages, best first.
const fs = require("fs");
const path = require("path");

const [site, ...queries] = process.argv.slice(2);
const workers = path.join(site, "assets/javascripts/workers");
const engine = fs.readFileSync(path.join(workers, fs.readdirSync(workers).find((name) => name.startsWith("search"))), "utf8");
const index = JSON.parse(fs.readFileSync(path.join(site, "search.json"), "utf8"));
const READY = 1, QUERY = 2, RESULT = 3;
// Made anew for each query, since the engine writes into it.
const everything = () => ({ input: { type: "operator", data: { operator: "and", operands: [] } } });
const found = {};
const left = [...queries];

const worker = {
  postMessage({ type, data }) {
    if (type === RESULT) found[left.shift()] = data.items.slice(0, 5).map((item) => index.items[item.id].location);
    else if (type !== READY) throw new Error(`the engine answers ${type}`);
    if (left.length) worker.onmessage({ data: { type: QUERY, data: { input: left[0], filter: everything() } } });
    else console.log(JSON.stringify(found));
  },
};
new Function("self", engine)(worker);
worker.onmessage({ data: { type: 0, data: index } });
