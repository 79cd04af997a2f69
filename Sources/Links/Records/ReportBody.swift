import Primitives

/// What somebody says against a link, and what was decided about it.
package struct ReportBody: Equatable, Sendable {
    /// What came of a report. Names are stable.
    package enum Verdict: String, CaseIterable, Sendable { case block, dismiss }

    package struct Decision: Equatable, Sendable {
        package var verdict: Verdict
        /// The principal that decided.
        package var by: [UInt8]
        package var at: Instant
        package var reason: String

        package init(_ verdict: Verdict, by: [UInt8], at: Instant, reason: String) {
            (self.verdict, self.by, self.at, self.reason) = (verdict, by, at, reason)
        }
    }

    package var link: LinkKey
    package var category: String
    package var comment: String?
    package var contact: String?
    package var reportedAt: Instant
    /// Nil: it is open.
    package var decision: Decision?
    package var unknown: [UnknownField] = []

    package init(_ link: LinkKey, category: String, reportedAt: Instant) {
        (self.link, self.category, self.reportedAt) = (link, category, reportedAt)
    }

    enum Tag {
        static let link: UInt64 = 1
        static let category: UInt64 = 2
        static let comment: UInt64 = 3
        static let contact: UInt64 = 4
        static let reportedAt: UInt64 = 5
        static let verdict: UInt64 = 6
        static let by: UInt64 = 7
        static let decidedAt: UInt64 = 8
        static let reason: UInt64 = 9
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(0)
        var linkKey: [UInt8] = []
        link.encode(into: &linkKey)
        var fields = unknown
        fields.append(UnknownField(tag: Tag.link, content: linkKey))
        fields.append(UnknownField(tag: Tag.category, content: Array(category.utf8)))
        if let comment { fields.append(UnknownField(tag: Tag.comment, content: Array(comment.utf8))) }
        if let contact { fields.append(UnknownField(tag: Tag.contact, content: Array(contact.utf8))) }
        fields.append(UnknownField(tag: Tag.reportedAt, content: reportedAt.fieldContent))
        if let decision {
            fields.append(UnknownField(tag: Tag.verdict, content: Array(decision.verdict.rawValue.utf8)))
            fields.append(UnknownField(tag: Tag.by, content: decision.by))
            fields.append(UnknownField(tag: Tag.decidedAt, content: decision.at.fieldContent))
            fields.append(UnknownField(tag: Tag.reason, content: Array(decision.reason.utf8)))
        }
        bytes.append(sorting: fields)
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        self.init(.snowflake(number: 0), category: "", reportedAt: Instant(milliseconds: 0))
        var bytes = bytes
        guard try bytes.takeByte() == 0 else { throw MalformedBytes() }
        var (tag, hasLink): (UInt64, Bool) = (0, false)
        while bytes.byteCount > 0 {
            let content = try bytes.takeField(after: &tag)
            if tag == Tag.link { hasLink = true }
            try decodeField(tag, content)
        }
        guard hasLink else { throw MalformedBytes() }
    }

    private mutating func decodeField(_ tag: UInt64, _ content: [UInt8]) throws(MalformedBytes) {
        switch tag {
        case Tag.link: link = try LinkKey(decoding: unsafe content.span.bytes)
        case Tag.category: category = try String(field: content)
        case Tag.comment: comment = try String(field: content)
        case Tag.contact: contact = try String(field: content)
        case Tag.reportedAt: reportedAt = try Instant(field: content)
        // Comes before the rest of the decision.
        case Tag.verdict:
            guard let verdict = Verdict(rawValue: try String(field: content)) else { throw MalformedBytes() }
            decision = Decision(verdict, by: [], at: Instant(milliseconds: 0), reason: "")
        case Tag.by: decision?.by = content
        case Tag.decidedAt: decision?.at = try Instant(field: content)
        case Tag.reason: decision?.reason = try String(field: content)
        default: unknown.append(UnknownField(tag: tag, content: content))
        }
    }
}
