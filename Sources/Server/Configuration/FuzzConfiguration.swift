import Primitives

/// Reads `bytes` as a file, and its lines as flags: never traps, and what loads prints as text that loads as an
/// equal configuration.
package func fuzzConfiguration(_ bytes: RawSpan) {
    let text = [UInt8](bytes)
    checkRoundTrip(file: ("edge.conf", text), flags: [])
    let flags = text.split(separator: 0x0a).map { line -> (key: String, value: String) in
        let equals = line.firstIndex(of: UInt8(ascii: "=")) ?? line.endIndex
        let value = line[equals...].dropFirst()
        return (String(decoding: line[..<equals], as: UTF8.self), String(decoding: value, as: UTF8.self))
    }
    checkRoundTrip(file: nil, flags: flags)
}

private func checkRoundTrip(file: (path: String, text: [UInt8])?, flags: [(key: String, value: String)]) {
    do {
        let configuration = try Configuration.load(file: file, flags: flags, cores: 2)
        let again = try? Configuration.load(file: ("printed", Array(configuration.text.utf8)), flags: [], cores: 3)
        precondition(again == configuration, "a configuration must print as what loads as an equal one")
    } catch {
        precondition(!error.errors.isEmpty, "a refused configuration must say why")
        precondition(!error.description.isEmpty)
    }
}
