# shellcheck shell=bash
PORT=$((20000 + $$ % 20000))

set_up() {
    repository weather extension
    program deno deno
    mkdir "$TMPDIR/served"
    echo 'export const answer = "sunny";' >"$TMPDIR/served/answer.js"
    online
}

extension() {
    cat >extension.ts <<END
import { answer } from "http://127.0.0.1:$PORT/answer.js";
console.log(answer);
END
}

online() {
    (cd "$TMPDIR/served" && exec python3 -m http.server --bind 127.0.0.1 "$PORT" >/dev/null 2>&1) &
    server=$!
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return
        sleep 0.1
    done
}
offline() {
    kill "$server"
    wait "$server" 2>/dev/null
    true
}
newer() { push weather more; }
more() { sed -i 's|answer.js|more.js|' extension.ts && echo 'export const answer = "rain";' >"$TMPDIR/served/more.js"; }
breaks() { push weather half; }
half() { echo 'console.log(' >>extension.ts; }
finished() { offline; }
