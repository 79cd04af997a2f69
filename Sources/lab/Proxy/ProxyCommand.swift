import Glibc
import Server

/// `lab proxy …`
enum ProxyCommand {
    static let help = """
        usage: lab proxy --target ADDRESS [--listen 127.0.0.1:0] [--delay MS] [--rate BYTES] [--seconds N]

        Carries TCP connections from one address to another like a long line: what comes leaves MS milliseconds later, and at
        most BYTES a second, in each direction. Says where it listens, and at its end (after N seconds, or with the end of its
        input) what it did, and how much later than wanted bytes left.

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(arguments, known: ["listen", "target", "delay", "rate", "seconds"])
        guard let target = try address("target", options), target.port > 0 else {
            throw LabError(usage: "`--target` is needed")
        }
        let listen = try address("listen", options) ?? ListenAddress(host: "127.0.0.1", port: 0)
        let delay = try options.number("delay", 0...3_600_000) ?? 0
        let rate = try options.whole("rate", 1...Int(Int32.max) * 64)
        let seconds = try options.whole("seconds", 1...1_000_000)
        let proxy = try FaultProxy(listen: listen, target: target)
        proxy.set { ($0.delayMilliseconds, $0.bytesPerSecond) = (delay, rate) }
        StandardStream.output.write("listening on \(proxy.address)\n")
        waitForEnd(milliseconds: seconds.map { $0 * 1000 })
        StandardStream.output.write(text(proxy.figures))
        proxy.stop()
    }

    private static func address(_ name: String, _ options: Options) throws -> ListenAddress? {
        guard let text = options.text(name) else { return nil }
        guard let address = ListenAddress(text) else {
            throw LabError(usage: "`--\(name)` takes an address such as 127.0.0.1:8080, not `\(text)`")
        }
        return address
    }

    /// Until the input ends, or the time is up.
    private static func waitForEnd(milliseconds: Int?) {
        let end = milliseconds.map { MonotonicClock.nanoseconds + UInt64($0) * 1_000_000 }
        var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        while true {
            let left = end.map { Int32(clamping: (Int64($0) - Int64(MonotonicClock.nanoseconds)) / 1_000_000) } ?? -1
            if end != nil, left <= 0 { return }
            if poll(&input, 1, left) > 0, Glibc.read(0, &byte, 1) <= 0 { return }
        }
    }

    private static func text(_ figures: FaultFigures) -> String {
        var table = Table("what passed", ["", "bytes", "chunks"])
        for (direction, name) in ["to the target", "back"].enumerated() {
            table.add([name, Figure.grouped(figures.bytes[direction]), Figure.grouped(figures.chunks[direction])])
        }
        let lateness = [0.5, 0.99].map { Figure.duration(Double(figures.lateness.quantile($0))) }
        return table.text + "\(Figure.grouped(figures.accepted)) connections; "
            + "later than wanted: p50 \(lateness[0]), p99 \(lateness[1])\n"
    }
}
