import Testing

extension Answer {
    /// That this is a problem as RFC 9457 has it, with this status and code, and that it tells nothing of the machine.
    @discardableResult
    func expectProblem(
        _ status: Int, _ code: String, _ comment: Comment? = nil, with member: String? = nil,
        at location: SourceLocation = #_sourceLocation
    ) -> Answer {
        #expect(self.status == status, comment ?? "\(text)", sourceLocation: location)
        #expect(self["content-type"] == "application/problem+json", comment, sourceLocation: location)
        #expect(self["cache-control"] == "no-store", comment, sourceLocation: location)
        guard let object = try? object else {
            Issue.record("no object: \(text)", sourceLocation: location)
            return self
        }
        let members = ["type", "title", "status", "detail", "code", member].compactMap(\.self)
        #expect(Set(object.keys) == Set(members), comment, sourceLocation: location)
        #expect(object["code"] as? String == code, comment ?? "\(text)", sourceLocation: location)
        #expect(object["type"] as? String == "/problems/\(code)", comment, sourceLocation: location)
        #expect(object["status"] as? Int == status, comment, sourceLocation: location)
        for name in ["title", "detail"] {
            let words = object[name] as? String ?? ""
            #expect(!words.isEmpty && !words.hasSuffix(".."), comment ?? "\(text)", sourceLocation: location)
        }
        expectNoPath(at: location)
        return self
    }

    /// No answer names a file or a directory of the machine.
    func expectNoPath(at location: SourceLocation = #_sourceLocation) {
        for part in ["/tmp", "/home", "/proc", "/usr", "/var", "data.mdb", "Sources/", ".swift"] {
            #expect(!text.contains(part), "\(text)", sourceLocation: location)
            for (_, value) in fields { #expect(!value.contains(part), "\(value)", sourceLocation: location) }
        }
    }
}
