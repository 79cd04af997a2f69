import Links
import Primitives

/// By which lists the links of the store were judged, and how far: a small file of the data directory, so that a restart with
/// the same lists judges nothing twice.
///
///     judged 1
///     fingerprint     32 hexadecimal digits: of what is in the lists
///     name            of a list, a line for each whose blocks are lifted where it no longer has an entry
///     scan            done, begin, or the encoded key behind which it goes on, in hexadecimal digits; then `again`, if it is to
///                     begin once more where it ends
///     position        how far the logs were followed (ChangePosition)
///     crc32c          8 hexadecimal digits, over all before this line
struct JudgedState: Equatable {
    enum Scan: Equatable {
        case done
        /// Nil: from the first link on.
        case after(LinkKey?)
    }

    static let fileName = "judged"
    static let limitBytes = 1 << 20

    var fingerprint = UInt128(0)
    var names: [String] = []
    var scan = Scan.done
    /// The lists changed while it ran: what stands before has yet to be judged by those in force.
    var isAgain = false
    var position = ChangePosition()

    init() {}

    var text: [UInt8] {
        var lines = "judged 1\nfingerprint \(String(fingerprint, radix: 16))\n"
        for name in names { lines += "name \(name)\n" }
        switch scan {
        case .done: lines += "scan done"
        case .after(nil): lines += "scan begin"
        case .after(let key?):
            var bytes: [UInt8] = []
            key.encode(into: &bytes)
            lines += "scan \(bytes.map { hexadecimal($0) }.joined())"
        }
        lines += "\(isAgain ? " again" : "")\nposition \(position.text)\n"
        return Array((lines + "crc32c \(checksum(lines))\n").utf8)
    }

    /// Nil for whatever `text` never is.
    init?(text: [UInt8]) {
        let whole = String(decoding: text, as: UTF8.self)
        var lines = whole.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
        guard lines.count >= 6, lines.popLast() == "", let last = lines.popLast(), lines.popFirst() == "judged 1",
            last == "crc32c \(checksum(String(whole.dropLast(last.count + 1))))"
        else { return nil }
        guard let fingerprint = lines.popFirst()?.value(of: "fingerprint").flatMap({ UInt128($0, radix: 16) }),
            let position = lines.popLast()?.value(of: "position").flatMap({
                ChangePosition(text: Array($0.utf8).span.bytes)
            }), let words = lines.popLast()?.value(of: "scan")?.split(separator: " ", omittingEmptySubsequences: false),
            words.count == 1 || words.count == 2 && words[1] == "again", let scan = Self.scan(String(words[0]))
        else { return nil }
        (self.fingerprint, self.position, self.scan, isAgain) = (fingerprint, position, scan, words.count == 2)
        for line in lines {
            guard let name = line.value(of: "name") else { return nil }
            names.append(name)
        }
    }

    private static func scan(_ text: String) -> Scan? {
        switch text {
        case "done": return .done
        case "begin": return .after(nil)
        default:
            let digits = Array(text.utf8)
            guard digits.count % 2 == 0 else { return nil }
            var bytes: [UInt8] = []
            for index in stride(from: 0, to: digits.count, by: 2) {
                guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else {
                    return nil
                }
                bytes.append(byte)
            }
            return (try? LinkKey(decoding: bytes.span.bytes)).map { .after($0) }
        }
    }
}

private func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

private func checksum(_ text: String) -> String {
    var crc = CRC32C()
    crc.append(Array(text.utf8).span.bytes)
    return String(crc.value, radix: 16)
}

extension String {
    fileprivate func value(of name: String) -> String? {
        hasPrefix(name + " ") ? String(dropFirst(name.count + 1)) : nil
    }
}
