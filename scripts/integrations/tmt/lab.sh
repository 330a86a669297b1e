#!/bin/sh
# What came of each case is in results.yaml. PAWSLAB_RUN has further arguments of pawslab run.
"${PAWSLAB:-pawslab}" run --quiet --out "$TMT_TEST_DATA/out" $PAWSLAB_RUN
status=$?
"${PAWSLAB:-pawslab}" report "$TMT_TEST_DATA/out" --format tmt --output "$TMT_TEST_DATA/results.yaml" || exit 2
exit $status
