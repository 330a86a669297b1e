#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# KTAP on standard output; exit status 4 where nothing could be judged. PAWSLAB_RUN has further arguments of pawslab run.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"${PAWSLAB:-pawslab}" run --host-only --format ktap --exit kselftest --out "$out/run" $PAWSLAB_RUN
