import Foundation

/// One system call of a trace.
struct SystemCall {
    var name: Substring
    /// All its strings, one after the other: paths apart, data joined.
    var strings: [[UInt8]]
    /// Its arguments as strace writes them, each string left empty.
    var arguments: [Substring]
    /// Nil if it never came back.
    var result: Int?
    /// The lines at which it began and came back.
    var began: Int
    var ended: Int?
    /// strace gave the answer instead of the system.
    var isInjected: Bool

    var isDone: Bool { result.map { $0 >= 0 } ?? false }
    func integer(_ index: Int) -> Int? { index < arguments.count ? Int(arguments[index]) : nil }
}

struct TraceFailure: Error, CustomStringConvertible { let description: String }

/// Reads what `strace -f -xx -o FILE` writes: lines of `PID name(arguments) = result`, in the order in which the calls
/// began, or in two halves where another call came between.
struct TraceReader {
    static let options = ["-xx", "-s", "1000000", "-e", "signal=none"]

    static func read(_ path: String) throws -> [SystemCall] {
        let data = try Data(contentsOf: URL(filePath: path), options: .alwaysMapped)
        var calls: [SystemCall] = []
        var open: [Substring: Int] = [:]
        var number = 0
        try data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            var start = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
                try line(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), number, &calls, &open)
                number += 1
                start = end + 1
            }
        }
        return calls
    }

    private static func line(
        _ bytes: UnsafeRawBufferPointer, _ number: Int, _ calls: inout [SystemCall], _ open: inout [Substring: Int]
    ) throws {
        let (text, strings) = try split(bytes)
        guard let space = text.firstIndex(of: " ") else { return }
        let process = text[..<space]
        let rest = text[space...].drop { $0 == " " }
        if rest.hasPrefix("---") || rest.hasPrefix("+++") { return }
        if rest.hasPrefix("<... ") {
            guard let index = open.removeValue(forKey: process) else { return }
            (calls[index].result, calls[index].ended) = (result(rest), number)
            calls[index].isInjected = rest.hasSuffix("(INJECTED)")
            return
        }
        guard let parenthesis = rest.firstIndex(of: "(") else {
            throw TraceFailure(description: "line \(number + 1) of the trace is none of strace: \(text.prefix(200))")
        }
        let isUnfinished = rest.hasSuffix("<unfinished ...>")
        let list = rest[rest.index(after: parenthesis)...]
        let equals = list.range(of: "= ", options: .backwards)?.lowerBound ?? list.endIndex
        guard let closing = isUnfinished ? list.lastIndex(of: "<") : list[..<equals].lastIndex(of: ")") else {
            throw TraceFailure(description: "line \(number + 1) of the trace is cut: \(text.prefix(200))")
        }
        let arguments = list[..<closing].split(separator: ",", omittingEmptySubsequences: false).map {
            Substring($0.trimmingCharacters(in: .whitespaces))
        }
        if isUnfinished { open[process] = calls.count }
        calls.append(
            SystemCall(
                name: rest[..<parenthesis], strings: strings, arguments: arguments,
                result: isUnfinished ? nil : result(rest), began: number, ended: isUnfinished ? nil : number,
                isInjected: rest.hasSuffix("(INJECTED)")))
    }

    /// What stands behind the last `= `.
    private static func result(_ text: Substring) -> Int? {
        guard let equals = text.range(of: "= ", options: .backwards) else { return nil }
        return Int(text[equals.upperBound...].prefix { $0 == "-" || $0.isNumber })
    }

    /// The text without what stands in quotes, and the bytes that stood there.
    private static func split(_ bytes: UnsafeRawBufferPointer) throws -> (String, [[UInt8]]) {
        var text: [UInt8] = []
        var strings: [[UInt8]] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\"") else {
                text.append(bytes[index])
                index += 1
                continue
            }
            guard let end = bytes[(index + 1)...].firstIndex(of: UInt8(ascii: "\"")),
                let string = unescaped(UnsafeRawBufferPointer(rebasing: bytes[(index + 1)..<end]))
            else { throw TraceFailure(description: "a string of the trace is not in hexadecimal") }
            strings.append(string)
            index = end + 1
            if bytes[index...].starts(with: Array("...".utf8)) {
                throw TraceFailure(description: "a string of the trace is cut short")
            }
        }
        return (String(decoding: text, as: UTF8.self), strings)
    }

    /// `\x00\xff`: four characters a byte.
    private static func unescaped(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard bytes.count % 4 == 0 else { return nil }
        func digit(_ character: UInt8) -> UInt8 { character < 0x3A ? character &- 0x30 : character &- 0x57 }
        return [UInt8](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
            for index in 0..<bytes.count / 4 {
                buffer[index] = digit(bytes[index * 4 + 2]) << 4 | digit(bytes[index * 4 + 3])
            }
            count = bytes.count / 4
        }
    }
}
