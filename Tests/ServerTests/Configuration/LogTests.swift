import Foundation
import Primitives
import Server
import Testing

@Suite struct LogTests {
    private static let instant = Instant(milliseconds: 1_767_225_600_000)

    private func line(
        _ fields: Log.Fields, _ format: Log.Format, level: Log.Level = .info, at instant: Instant = instant
    ) -> String {
        String(decoding: Log.line(level, "listening", fields, at: instant, format: format), as: UTF8.self)
    }

    @Test func whole() {
        let fields: Log.Fields = ["address": "[::1]:80", "workers": 2, "tls": false, "took": .init(-5 as Int8)]
        #expect(
            line(fields, .logfmt)
                == "time=2026-01-01T00:00:00.000Z level=info event=listening address=[::1]:80 workers=2 tls=false took=-5\n"
        )
        #expect(
            line(fields, .json) == #"{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"listening","#
                + #""address":"[::1]:80","workers":2,"tls":false,"took":-5}"# + "\n")
    }

    @Test(arguments: [(Log.Level.debug, "debug"), (.info, "info"), (.warning, "warning"), (.error, "error")])
    func level(level: Log.Level, name: String) {
        let text = line([:], .logfmt, level: level, at: Instant(milliseconds: 7))
        #expect(text == "time=1970-01-01T00:00:00.007Z level=\(name) event=listening\n")
    }

    /// A string, and how it stands in logfmt; JSON always has the quotes.
    @Test(arguments: [
        ("plain", "plain"), ("", #""""#), ("a b", #""a b""#), ("a=b", #""a=b""#), ("a\"b", #""a\"b""#),
        ("a\\b", #""a\\b""#), ("a\nb", #""a\nb""#), ("a\r\nb", #""a\r\nb""#), ("a\tb", #""a\tb""#),
        ("a\u{0}b", #""a\u0000b""#), ("a\u{1b}b", #""a\u001bb""#), ("a\u{7f}b", #""a\u007fb""#),
        ("a\u{9b}b", #""a\u009bb""#), ("a\u{2028}b", #""a\u2028b""#), ("héé→🦊", "héé→🦊"), ("é b", #""é b""#),
    ])
    func strings(text: String, expected: String) throws {
        #expect(line(["k": .string(text)], .logfmt).hasSuffix(" k=\(expected)\n"))
        let json = line(["k": .string(text)], .json)
        #expect(json.hasSuffix(#","k":\#(expected.hasPrefix("\"") ? expected : "\"\(expected)\"")}"# + "\n"))
        let decoded = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
        #expect(decoded["k"] == text)
    }

    @Test(arguments: [("a b", "a_b"), ("a=b", "a_b"), ("", "_"), ("a\nb", "a_b")])
    func names(name: String, expected: String) throws {
        let fields = KeyValuePairs(dictionaryLiteral: (name, Log.Value.integer(1)))
        #expect(line(fields, .logfmt).hasSuffix(" \(expected)=1\n"))
        let json = try JSONSerialization.jsonObject(with: Data(line(fields, .json).utf8)) as? [String: Any]
        #expect(json?[name] as? Int == 1)
    }

    /// Every length of a string and every number of fields gives one whole line within the limit.
    @Test(arguments: [Log.Format.logfmt, .json])
    func longLines(format: Log.Format) throws {
        for piece in ["a", "\"", "\u{1}", "🦊", "é "] {
            let long = Log.Value.string(String(repeating: piece, count: 5000))
            for fields: Log.Fields in [["a": long], ["a": long, "b": long, "c": long, "d": long, "e": long]] {
                let bytes = Log.line(.error, "x", fields, at: Self.instant, format: format)
                #expect(bytes.count <= Log.lineBytes)
                #expect(bytes.last == 0x0a && bytes.count { $0 == 0x0a } == 1)
                #expect(String(validating: bytes, as: UTF8.self) != nil)
                let text = String(decoding: bytes, as: UTF8.self)
                #expect(text.contains("…"))
                #expect(text.contains("cut") == (fields.count == 5))
                if format == .json { _ = try JSONSerialization.jsonObject(with: Data(bytes)) }
            }
        }
    }

    /// Whatever room is left when a field has none, what says so still fits.
    @Test(arguments: [Log.Format.logfmt, .json])
    func cutAtTheLimit(format: Log.Format) {
        let thousand = Log.Value.string(String(repeating: "a", count: 1000))
        for count in 800...1000 {
            let last = Log.Value.string(String(repeating: "b", count: count))
            let bytes = Log.line(
                .info, "x", ["a": thousand, "b": thousand, "c": thousand, "d": last, "e": thousand], at: Self.instant,
                format: format)
            #expect(bytes.count <= Log.lineBytes)
            #expect(String(decoding: bytes, as: UTF8.self).contains("cut"))
        }
    }

    /// Lines of several threads through one pipe come out whole, and those of one thread in their order.
    @Test func linesDoNotMix() throws {
        let (threads, lines) = (4, 300)
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        let group = DispatchGroup()
        for thread in 0..<threads {
            group.enter()
            Thread.detachNewThread {
                for number in 0..<lines {
                    let filling = String(repeating: "\(thread)", count: (number * 97 + thread) % 3000)
                    let fields: Log.Fields = [
                        "thread": .init(thread), "number": .init(number), "filling": .string(filling),
                    ]
                    Log.write(Log.line(.info, "line", fields, at: Self.instant, format: .logfmt), to: descriptor)
                }
                group.leave()
            }
        }
        Thread.detachNewThread {
            group.wait()
            try? pipe.fileHandleForWriting.close()
        }
        var next = [Int](repeating: 0, count: threads)
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            #expect(fields.count == 6)
            let thread = try #require(Int(fields[3].dropFirst("thread=".count)))
            #expect(fields[4] == "number=\(next[thread])")
            #expect(
                fields[5].dropFirst("filling=".count).allSatisfy { "\($0)" == "\(thread)" || $0 == "\"" || $0 == "…" })
            next[thread] += 1
        }
        #expect(next == [Int](repeating: lines, count: threads))
    }
}
