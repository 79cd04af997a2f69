/// What an import can be read from.
package enum ImportFormat: String, CaseIterable, Sendable {
    /// Tables with a header, as Bitly, Shlink, Dub, a plugin of YOURLS and this server write them: see `CSVHeader`.
    case csv
    /// What `mysqldump` or phpMyAdmin make of YOURLS' database.
    case yourls
    /// What golink gives at `/.export`.
    case golink
    /// This server's own: a link as its API shows it, one a line.
    case ndjson

    /// What an input lacks that gives no row: one sentence for the user.
    package var absence: String {
        switch self {
        case .csv: "No rows stand behind the header."
        case .yourls: "No statement fills a table of links, whose name ends with \"url\"."
        case .golink, .ndjson: "No line has anything in it."
        }
    }
}

/// Bounds of what is read: beyond what a link can have, because the rules for links judge later and say more; but so
/// that whatever was taken fits in one row of the table that `CSVWriting` makes of it, however it has to be quoted
/// there.
package enum ImportLimits {
    /// One row, with its quotes and separators, without the line feed behind it; also the header of a table.
    package static let rowBytes = 65_536
    /// Of a table, and values of a row in SQL.
    package static let columns = 256
    package static let longURLBytes = 8192
    package static let titleBytes = 4096
    package static let codeBytes = 255
    package static let ownerBytes = 255
    package static let tags = 32
    package static let tagBytes = 128
    /// Milliseconds since 1970, up to the end of the year 9999: what RFC 3339 can write and a record can hold.
    package static let instants: Range<Int64> = 0..<253_402_300_800_000
    /// Of somebody else's name for a column or a member, as messages repeat it.
    static let shownScalars = 40
    /// Of what stands where a code is wanted, which may be a whole short URL.
    static let shownCodeScalars = 160
    /// Names that a message repeats.
    static let shownNames = 16
}
