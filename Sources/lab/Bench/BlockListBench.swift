import Glibc
import Links
import Primitives
import Server

/// What block lists cost: a look-up, beside one of the host's name in a set of strings; to read a list; memory for an entry.
struct BlockListBench {
    static let options: Set<String> = ["entries"]
    private static let usualEntries = 1_000_000

    private let rounds: Rounds
    private let entries: Int

    init(_ options: Options) throws {
        self.init(try Rounds(options), entries: try options.whole("entries", 1...50_000_000) ?? Self.usualEntries)
    }

    init(_ rounds: Rounds, entries: Int) { (self.rounds, self.entries) = (rounds, entries) }

    func run() throws {
        let names = (0..<entries).map { BlockListFile.name($0) }
        let text = Array(names.joined(separator: "\n").utf8)
        var reader = BlockListReader()
        let seconds = try MonotonicClock.seconds {
            reader.begin("bench")
            for start in stride(from: 0, to: text.count, by: 1 << 16) {
                try reader.read(Array(text[start..<min(text.count, start + 1 << 16)]))
            }
            try reader.end()
        }
        let list = reader.finish()
        guard list.entryCount == entries else { throw LabError("\(list.entryCount) of \(entries) entries") }
        var set: Set<String> = []
        let setSeconds = MonotonicClock.seconds { set = Set(names) }
        var random = SeededRandom(seed: 7)
        var hosts: [(name: String, url: NormalisedURL)] = []
        for index in 0..<(1 << 14) {
            let isListed = index % 10 == 0
            let number = Int.random(in: 0..<entries, using: &random)
            let name = isListed ? BlockListFile.name(number) : "www.site-\(number).example.org"
            var url = NormalisedURL()
            try url.read(Array("https://\(name)/a/page?of=it".utf8))
            hosts.append((name, url))
        }
        var (found, foundInSet) = (0, 0)
        let samples = try rounds.samples([
            Contender(name: "") { seconds in
                Self.measure(seconds, hosts.count) { if set.contains(hosts[$0].name) { foundInSet += 1 } }
            },
            Contender(name: "") { seconds in
                Self.measure(seconds, hosts.count) { if list.find(hosts[$0].url) != nil { found += 1 } }
            },
        ])
        guard found > 0, foundInSet > 0 else { throw LabError("nothing is found") }
        var table = Table(
            "a list of \(Figure.grouped(entries)) domains, one URL of ten listed, \(rounds.description)",
            ["", "a look-up", "ratio", "built in s", "bytes an entry"])
        table.add([
            "Set<String>, the host alone", Figure.duration(median(samples[0])), Figure.ratio(1),
            Figure.number(setSeconds), "",
        ])
        table.add([
            "block list, the host and all above it", Figure.duration(median(samples[1])),
            Figure.ratio(median(zip(samples[1], samples[0]).map { $0 / $1 })), Figure.number(seconds),
            Figure.number(Double(list.sizeBytes) / Double(entries)),
        ])
        StandardStream.output.write(table.text + "\n")
    }

    /// Nanoseconds of the processor a call.
    private static func measure(_ seconds: Double, _ places: Int, _ body: (Int) -> Void) -> Double {
        let begin = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
        var (count, now) = (0, begin)
        repeat {
            for place in 0..<places { body(place) }
            count += places
            now = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
        } while now - begin < UInt64(seconds * 1e9)
        return Double(now - begin) / Double(count)
    }
}

/// A block list to be measured.
struct BlockListFile {
    let path: String

    static func name(_ number: Int) -> String {
        "host-\(String(UInt64(number) &* 0x9E37_79B9_7F4A_7C15, radix: 36)).example"
    }

    /// - matching: further lines.
    func write(entries: Int, matching: [String]) throws {
        guard let file = fopen(path + ".new", "w") else {
            throw LabError("\(path): \(String(cString: strerror(errno)))")
        }
        for number in 0..<entries { fputs(Self.name(number) + "\n", file) }
        for line in matching { fputs(line + "\n", file) }
        guard fclose(file) == 0, rename(path + ".new", path) == 0 else {
            throw LabError("\(path): \(String(cString: strerror(errno)))")
        }
    }
}
