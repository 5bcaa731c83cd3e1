# shellcheck shell=bash
set_up() {
    repository weather weather
    repository news news
    repository project project
    if [ -x "$TOOLS/seaweedfs/bin/weed" ]; then
        storage
        real "SeaweedFS"
    else
        echo "there is no SeaweedFS; tests/setup.sh installs it" >&2
        exit 1
    fi
}

weather() { echo sun >forecast; }
news() { echo 'nothing new' >today; }
project() { echo 'a project' >README; }

# The git server has no modules any more; the project that the lock is in lies elsewhere.
git_is_down() { rm -rf "$REPOS/weather" "$REPOS/news"; }

# Free ports, as many as are asked for.
ports() {
    python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[each.getsockname()[1] for each in held])' "$1"
}

# An object store with a bucket, which ends with the shell; and the login of this machine.
storage() {
    mkdir -p "$TMPDIR/storage/data" "$TMPDIR/storage/home"
    cat >"$TMPDIR/storage/users.json" <<'JSON'
{"identities":[{"name":"ci","credentials":[{"accessKey":"ci","secretKey":"ci-secret"}],"actions":["Admin"]}]}
JSON
    read -r s3 s3g master masterg volume volumeg filer filerg admin adming < <(ports 10)
    (cd "$TMPDIR/storage" && HOME="$PWD/home" TMPDIR="$PWD/home" exec "$TOOLS/seaweedfs/bin/weed" mini -dir data -ip 127.0.0.1 -ip.bind 127.0.0.1 \
        -admin.ui=false -webdav=false -s3.port.iceberg=0 -s3.port.lance=0 -s3.config users.json -s3.port "$s3" -s3.port.grpc "$s3g" \
        -master.port "$master" -master.port.grpc "$masterg" -volume.port "$volume" -volume.port.grpc "$volumeg" \
        -filer.port "$filer" -filer.port.grpc "$filerg" -admin.port "$admin" -admin.port.grpc "$adming" >log 2>&1 </dev/null) &
    storage=$!
    trap 'kill -9 "$storage"' EXIT
    for _ in $(seq 1 300); do
        if python3 -c '
import sys, urllib.request
address = "http://127.0.0.1:%s/buckets/ci-modules/ready" % sys.argv[1]
for method in ["PUT", "DELETE"]:
    urllib.request.urlopen(urllib.request.Request(address, data=b"ready" if method == "PUT" else None, method=method))' "$filer" 2>/dev/null; then
            break
        fi
        sleep 0.1
    done
    export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$s3" AWS_ACCESS_KEY_ID=ci AWS_SECRET_ACCESS_KEY=ci-secret
}
