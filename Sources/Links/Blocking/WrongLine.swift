/// A line of a block list that could not be read.
package struct WrongLine: Equatable, Sendable {
    package enum Reason: Error, Equatable, Sendable {
        case tooLong
        /// More than one word, and the first is no address.
        case severalWords
        /// A word that is no domain, or a domain at the top where no list means all of it.
        case singleLabel
        /// Written otherwise than as four numbers with dots.
        case address
        case addressRange
        /// A fragment, or a rule of a content blocker that is no plain `||domain^`.
        case rule
        /// An asterisk in what URLs begin with, where it would stand for itself alone.
        case pattern
        /// A user name or password before the host, which no destination may have.
        case userinfo
        case destination(DestinationError)

        /// No link can lead to it, so that it needs no entry, and is no fault of the list.
        var isUnreachable: Bool {
            if case .destination(let error) = self { error.kind == .refused } else { false }
        }

        package var description: String {
            switch self {
            case .tooLong: "longer than \(BlockListLimits.lineBytes) bytes"
            case .severalWords: "several words, and the first is none of the addresses 0.0.0.0, 127.0.0.1, :: and ::1"
            case .singleLabel: "a word without a dot; a whole top-level domain is written *.zip or ||zip^"
            case .address: "a number that is no address as 192.0.2.1"
            case .addressRange: "a range of addresses"
            case .rule: "a fragment, or a rule of a content blocker that is no plain ||domain^"
            case .pattern: "an asterisk, which stands for nothing else in what URLs begin with; %2A is the character"
            case .userinfo: "a user name or password before the host; write the host alone"
            case .destination(let error): error.description
            }
        }
    }

    /// From 1.
    package let line: Int
    package let reason: Reason
}

/// Why a file is no block list.
package enum BlockListError: Error, Equatable, Sendable {
    /// A file without a byte.
    case empty
    /// More than a tenth of its lines could not be read.
    case manyWrongLines(wrong: Int, of: Int, first: [WrongLine])
    /// In all lists together.
    case tooManyEntries

    package var description: String {
        switch self {
        case .empty: "no block list: it is empty; one without entries is to hold a comment line"
        case .manyWrongLines(let wrong, let lines, let first):
            "no block list: \(wrong) of \(lines) lines cannot be read, the first is line \(first[0].line): "
                + first[0].reason.description
        case .tooManyEntries: "more than \(BlockListLimits.entries) entries in all lists"
        }
    }
}
