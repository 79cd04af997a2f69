import Links
import Store

/// Blocks, reports and the audit trail.
extension Schema {
    /// A page of what admins list.
    static func page(_ name: String, _ element: JSONTree) -> JSONTree {
        object(
            [(name, array(of: element)), ("next_cursor", orNull(text()))],
            optional: [("damaged", ["type": "integer", "minimum": 1])])
    }

    static let reportID = text(pattern: "^[0-9a-f]{32}$")

    private static func body(
        _ members: [(name: String, value: JSONTree)], required: [String] = []
    ) -> JSONTree {
        let shape: JSONTree = [
            "type": "object", "additionalProperties": false, "properties": .object(members),
        ]
        return required.isEmpty ? shape : shape + ["required": .strings(required)]
    }

    private static let reason = orNull(text(of: 0...BlockRequest.Limits.reasonBytes, pattern: plainText))

    static var blockWish: JSONTree { body([("reason", reason)]) }

    static let blockMembers: [(name: String, value: JSONTree)] = [
        ("short_code", code.reference), ("short_url", uri), ("is_blocked", flag), ("reason", text()),
        ("list", orNull(text())), ("decided_by", text()), ("decided_at", time), ("region", text()),
    ]

    static var reportWish: JSONTree {
        let members: [(name: String, value: JSONTree)] = [
            ("code", orNull(text())), ("short_url", orNull(text())),
            ("category", ["enum": .strings(ReportRequest.Category.allCases.map(\.rawValue))]),
            ("comment", orNull(text(of: 0...ReportRequest.Limits.commentBytes))),
            ("contact", orNull(text(of: 0...ReportRequest.Limits.contactBytes, pattern: plainText))),
        ]
        return body(members, required: ["category"]) + ["oneOf": [names("code"), names("short_url")]]
    }

    /// One of the two members that say which link it is.
    private static func names(_ member: String) -> JSONTree {
        ["required": [.string(member)], "properties": .object([(member, text())])]
    }

    static var decisionWish: JSONTree {
        let verdicts = ReportBody.Verdict.allCases.map(\.rawValue)
        return body([("decision", ["enum": .strings(verdicts)]), ("reason", reason)], required: ["decision"])
    }

    static let reportMembers: [(name: String, value: JSONTree)] = [
        ("report_id", reportID), ("short_code", text()), ("short_url", uri), ("long_url", orNull(uri)),
        ("category", text()), ("comment", orNull(text())), ("contact", orNull(text())), ("reported_at", time),
        ("decision", orNull(text())), ("reason", orNull(text())), ("decided_by", orNull(text())),
        ("decided_at", orNull(time)),
    ]

    static let actMembers: [(name: String, value: JSONTree)] = [
        ("at", time), ("region", text()), ("node", count), ("act", text()), ("subject", text()), ("by", text()),
        ("outcome", text()), ("detail", text()),
    ]
}
