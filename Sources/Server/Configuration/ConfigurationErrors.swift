/// Everything that is wrong with a configuration, in the order of the file, then of the flags; never empty.
package struct ConfigurationErrors: Error, Equatable, CustomStringConvertible {
    package let errors: [ConfigurationError]

    /// One line each: `FILE:LINE: KEY: what is wrong; what would be right`.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// One thing that is wrong, where it is, and what would be right.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    package enum Place: Equatable, Sendable {
        case file(path: String)
        /// Lines count from 1.
        case line(path: String, Int)
        case flag
    }

    package let place: Place
    /// The key as it is written there; nil where a line has none.
    package let key: String?
    package let problem: String
    package let remedy: String

    package var description: String {
        let message = "\(problem); \(remedy)"
        switch place {
        case .file(let path): return "\(path): \(message)"
        case .line(let path, let line): return "\(path):\(line): " + (key.map { "\($0): " } ?? "") + message
        case .flag: return "--\(key ?? ""): \(message)"
        }
    }
}

/// A value that its key cannot take.
struct BadValue: Error, Equatable {
    let problem: String
    let remedy: String
}

/// `text` in quotes, short and without what could disturb a terminal.
func quoted(_ text: some StringProtocol) -> String { "\"\(legible(text))\"" }

/// `text` with control characters replaced, cut where it is long.
func legible(_ text: some StringProtocol, scalars limit: Int = 80) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) { result.append(scalar.isControl ? "\u{fffd}" : scalar) }
    return String(result) + (text.unicodeScalars.dropFirst(limit).isEmpty ? "" : "…")
}

extension Unicode.Scalar {
    /// C0, DEL and C1: what moves a cursor or ends a line.
    var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) || value == 0x2028 || value == 0x2029 }
}
