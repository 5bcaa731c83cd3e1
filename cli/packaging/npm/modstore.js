#!/usr/bin/env node
// Runs the program of the platform package. A host should run that program itself: starting Node costs more than most
// commands do. `require("modstore").program()` gives its path.
"use strict";

const { spawn } = require("child_process");
const { program } = require("./index.js");

let path;
try {
  path = program();
} catch (error) {
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  process.exit(1);
}
const running = spawn(path, process.argv.slice(2), { stdio: "inherit" });
// A terminal sends its signals to both processes. What a supervisor sends to this one is passed on.
process.on("SIGINT", () => {});
process.on("SIGQUIT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => running.kill(signal));
running.on("error", (error) => {
  console.error(`error: cannot run ${path}: ${error.message}`);
  process.exit(1);
});
running.on("exit", (status, signal) => {
  if (!signal) process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
