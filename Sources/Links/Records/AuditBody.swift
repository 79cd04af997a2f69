import Primitives

/// One act of an admin, as it was written down. When and on which node its key tells.
package struct AuditBody: Equatable, Sendable {
    /// A stable word.
    package var act: String
    /// What was acted on.
    package var subject: String
    /// The principal that did it.
    package var by: [UInt8]
    /// A stable word for what came of it.
    package var outcome: String
    /// What else there is to say.
    package var detail: String
    package var unknown: [UnknownField] = []

    package init(_ act: String, on subject: String, by: [UInt8], outcome: String = "done", detail: String = "") {
        (self.act, self.subject, self.by, self.outcome, self.detail) = (act, subject, by, outcome, detail)
    }

    enum Tag {
        static let act: UInt64 = 1
        static let subject: UInt64 = 2
        static let by: UInt64 = 3
        static let outcome: UInt64 = 4
        static let detail: UInt64 = 5
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(0)
        bytes.append(field: Tag.act, Array(act.utf8))
        bytes.append(field: Tag.subject, Array(subject.utf8))
        bytes.append(field: Tag.by, by)
        bytes.append(field: Tag.outcome, Array(outcome.utf8))
        bytes.append(field: Tag.detail, Array(detail.utf8))
        for extra in unknown { bytes.append(field: extra.tag, extra.content) }
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        self.init("", on: "", by: [], outcome: "")
        var bytes = bytes
        guard try bytes.takeByte() == 0 else { throw MalformedBytes() }
        var tag: UInt64 = 0
        while bytes.byteCount > 0 {
            let content = try bytes.takeField(after: &tag)
            switch tag {
            case Tag.act: act = try String(field: content)
            case Tag.subject: subject = try String(field: content)
            case Tag.by: by = content
            case Tag.outcome: outcome = try String(field: content)
            case Tag.detail: detail = try String(field: content)
            default: unknown.append(UnknownField(tag: tag, content: content))
            }
        }
    }
}
