# The time of every test binary, the longest first, and the tests that take more than a tenth of the whole. Reads the output
# of `cargo test` whose binaries run with --report-time.

{ gsub(/\033\[[0-9;]*m/, "") }

# Integration tests run right after the unit tests of their crate, and have no crate in their line.
$1 == "Running" {
    name = $NF; sub(/^.*\//, "", name); sub(/-[0-9a-f]+\)$/, "", name)
    if ($2 == "unittests") crate = name " (" $3 ")"
    binary = $2 == "unittests" ? crate : crate ", " $2
}
$1 == "Doc-tests" { binary = $2 ", documentation" }

$1 == "test" && $NF ~ /^<[0-9.]+s>$/ {
    seconds = $NF; gsub(/[<>s]/, "", seconds)
    slow[binary ": " $2] = seconds + 0
}

/^test result: .* finished in [0-9.]+s$/ {
    seconds = $NF; sub(/s$/, "", seconds)
    times[binary] += seconds; whole += seconds
}

END {
    printf "%9.1f s  all test binaries\n", whole
    sorted = "sort -rn"
    for (binary in times) if (times[binary] >= 0.05) printf "%9.1f s  %s\n", times[binary], binary | sorted
    close(sorted)
    for (test in slow) if (slow[test] > whole / 10) found[test]
    for (test in found) printf "%9.1f s  more than a tenth of the whole: %s\n", slow[test], test | sorted
    close(sorted)
}
