import HTTP
import Primitives

/// Lines of the access log, in one of the log's formats. The order of the fields and their names do not change.
///
///     time=2026-01-01T00:00:00.000Z client=192.0.2.0/24 method=GET path=/1TcH0Me status=302 bytes=212 us=31 result=redirect
package struct AccessText {
    private let format: Log.Format
    private var second: Int64 = .min
    /// `2026-01-01T00:00:00`.
    private var secondText: [UInt8] = []

    package init(format: Log.Format) { self.format = format }

    /// Appends the lines of records as a ring gives them, each behind its length; the number of lines.
    package mutating func append(_ records: RawSpan, to output: inout [UInt8]) -> Int {
        var rest = records
        var count = 0
        while rest.byteCount > 0 {
            do throws(MalformedBytes) {
                let size = Int(try rest.takeUInt32())
                var bytes = rest.extracting(..<size)
                rest = rest.extracting(size...)
                append(try AccessRecord(&bytes), path: bytes, to: &output)
            } catch {
                preconditionFailure("the ring gives what the workers wrote")
            }
            count += 1
        }
        return count
    }

    mutating func append(_ record: AccessRecord, path: RawSpan, to output: inout [UInt8]) {
        let isJSON = format == .json
        output.append(isJSON ? "{\"time\":\"" : "time=")
        append(record.instant, to: &output)
        output.append(isJSON ? "\",\"client\":\"" : " client=")
        output += Array(record.client.shownNetwork.utf8)
        output.append(isJSON ? "\",\"method\":\"" : " method=")
        output.append(record.method?.name ?? "-")
        output.append(isJSON ? "\",\"path\":" : " path=")
        append(path: path, to: &output)
        output.append(isJSON ? ",\"status\":" : " status=")
        output.append(decimal: Int(record.status))
        output.append(isJSON ? ",\"bytes\":" : " bytes=")
        output.append(decimal: Int(record.answerBytes))
        output.append(isJSON ? ",\"us\":" : " us=")
        output.append(decimal: Int(record.microseconds))
        output.append(isJSON ? ",\"result\":\"" : " result=")
        output.append(record.result.name)
        if let tls = record.tls {
            output.append(isJSON ? "\",\"tls\":\"" : " tls=")
            output.append(tls == .tls13 ? "1.3" : "1.2")
        }
        output.append(isJSON ? "\"}\n" : "\n")
    }

    private mutating func append(_ instant: Instant, to output: inout [UInt8]) {
        let second = instant.milliseconds / 1000
        if second != self.second {
            self.second = second
            secondText = Array(CalendarTime(Instant(milliseconds: second * 1000)).rfc3339.utf8.dropLast())
        }
        output += secondText
        let milliseconds = Int(instant.milliseconds % 1000)
        output.append(milliseconds < 10 ? ".00" : milliseconds < 100 ? ".0" : ".")
        output.append(decimal: milliseconds)
        output.append(UInt8(ascii: "Z"))
    }

    /// What is no printing ASCII is percent-encoded, so that a line is one line whatever was asked for; `-` if there is
    /// no path.
    private func append(path: RawSpan, to output: inout [UInt8]) {
        var text: [UInt8] = []
        text.reserveCapacity(path.byteCount)
        var isPlain = path.byteCount > 0
        for index in 0..<path.byteCount {
            let byte = path.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            guard (0x21...0x7e).contains(byte) else {
                text += [UInt8(ascii: "%"), Self.hexDigit(byte >> 4), Self.hexDigit(byte & 15)]
                continue
            }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "=") { isPlain = false }
            text.append(byte)
        }
        if text.isEmpty { text = [UInt8(ascii: "-")] }
        if format == .json || !isPlain && path.byteCount > 0 {
            output.append(jsonUTF8: text)
        } else {
            output += text
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
}
