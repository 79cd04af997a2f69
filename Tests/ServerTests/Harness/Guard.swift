import Glibc

/// Ends the nodes of tests if the tests themselves end in a way that runs no `deinit`: a shell that reads which
/// processes live, and when its input ends kills those that still do.
enum Guard {
    private static let input: Int32 = {
        let ends = makePipe()
        let script = """
            trap '' INT TERM HUP
            while read -r sign pid; do
                case $sign in
                    +) pids="$pids $pid " ;;
                    -) pids=$(echo "$pids" | sed "s/ $pid / /") ;;
                esac
            done
            for pid in $pids; do kill -9 "$pid"; done 2>/dev/null
            """
        _ = try! Child.spawn("/bin/sh", ["-c", script], input: ends.reading, output: nil, error: nil)
        close(ends.reading)
        return ends.writing
    }()

    static func add(_ pid: pid_t) { say("+ \(pid)\n") }
    static func remove(_ pid: pid_t) { say("- \(pid)\n") }

    private static func say(_ text: String) { _ = write(input, text, text.utf8.count) }
}
