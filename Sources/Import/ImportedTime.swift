import Primitives

extension Instant {
    /// A time as the exports of other shorteners have it; nil if it is none of these:
    ///
    ///     2021-03-04T05:06:07.891Z, 2021-03-04T06:06:07+01:00      RFC 3339
    ///     2021-03-04T05:06:07+0000                                 the same, as Bitly's API has it
    ///     2021-03-04 05:06:07, 2021-03-04T05:06:07                 UTC
    ///     2021-03-04                                               its first instant, UTC
    ///     1614834367, 1614834367891                                seconds (9 to 11 digits), milliseconds (12 to 14)
    init?(imported text: String) {
        let bytes = Array(text.utf8)
        let digits = bytes.count { (0x30...0x39).contains($0) }
        if digits == bytes.count {
            guard (9...14).contains(digits), let number = Int64(text) else { return nil }
            self.init(milliseconds: digits < 12 ? number * 1000 : number)
        } else if let instant = Instant(rfc3339: text) ?? Instant(rfc3339: text + "Z")
            ?? Instant(rfc3339: text + "T00:00:00Z") ?? Instant(rfc3339: text.dropLast(2) + ":" + text.suffix(2))
        {
            self = instant
        } else {
            return nil
        }
        guard ImportLimits.instants.contains(milliseconds) else { return nil }
    }

    /// The zero of MySQL and that of Go, which say that there is no time.
    private static let zeros = ["0000-00-00 00:00:00", "0001-01-01T00:00:00Z"]

    /// The time that a column or member called `name` tells; nil if it is empty or tells of none.
    static func imported(_ text: String?, _ name: String) throws(ImportRefusal) -> Instant? {
        guard let text, !text.isEmpty, !zeros.contains(text) else { return nil }
        guard let instant = Instant(imported: text) else { throw .time(name) }
        return instant
    }
}
