import HTTP
import Links
import Primitives
import Store

/// New links, one for a request.
extension API {
    func create(_ call: APICall, _ form: CreateRequest.Form) {
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        var call = call
        let wanted: (link: NewLink, hostName: String?)
        do throws(RefusedRequest) {
            try allowCreation(call)
            let request = try repeatableRequest(call.message, of: call.principal)
            if request != nil, !knowsWhatCame(before: &call) { return }
            if let request, let earlier = try earlier(request) {
                guard case .link(let link, _) = earlier else { preconditionFailure("the path is a part of the hash") }
                return answer(call, .success(link), form, tokenCounts)
            }
            wanted = try newLink(call, form, request)
        } catch {
            return refuse(call, error.problem)
        }
        guard intake.lets() else { return call.answer(Problem.overloaded.response) }
        guard let nameRule, let name = wanted.hostName else { return write(call, wanted.link, form) }
        nameRule.judge(name) { [self, call] verdict in
            switch verdict {
            case .admitted: write(call, wanted.link, form)
            case .refused: call.answer(Problem.namePrivate.response)
            case .unknown: call.answer(Problem.lookupFailed.response)
            }
        }
    }

    func allowCreation(_ call: APICall) throws(RefusedRequest) {
        try checkMayCreate(call.caller)
        guard call.message.hasJSONBody else { throw RefusedRequest(Problem(.unsupportedMediaType)) }
    }

    private func newLink(
        _ call: APICall, _ form: CreateRequest.Form, _ request: RepeatableRequest?
    ) throws(RefusedRequest) -> (link: NewLink, hostName: String?) {
        var wanted = try CreateRequest(call.message.body, form).link(policy, store.codeSpace, now: now())
        wanted.link.body.owner = call.caller.principal
        if let request {
            guard wanted.link.body.claimID == nil else { throw RefusedRequest(.keyBesideClaim) }
            wanted.link.claim(request, since: now().advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds))
        }
        return wanted
    }

    /// Of anybody who wants a link made.
    func checkMayCreate(_ caller: Caller) throws(RefusedRequest) {
        guard configuration.creates else { throw RefusedRequest(.creationOff) }
        switch caller {
        case .anonymous: guard configuration.anonymousCreate else { throw RefusedRequest(.needsKey) }
        case .unscoped: guard configuration.anonymousCreate else { throw RefusedRequest(.lacksScope(.createLinks)) }
        case .holder(_, let scopes):
            guard scopes.allows(.createLinks) else { throw RefusedRequest(.lacksScope(.createLinks)) }
        }
    }

    /// A link as it was made.
    func text(of created: CreatedLink) -> LinkText {
        LinkText(
            code: created.code, isAlias: created.key.isAlias, stamp: created.stamp, origin: created.origin,
            body: created.body, isBlocked: false, publicURL: publicURL, region: regionName(created.origin))
    }

    /// - counts: those of the thread.
    func created201(
        _ created: CreatedLink, _ form: CreateRequest.Form, _ message: Message, _ counts: TokenCounts
    ) -> Response {
        let text = text(of: created)
        var body = text.json
        if form == .short {
            body = [UInt8(ascii: "{")]
            body.append(jsonKey: "short_url", string: text.shortURL)
            body.append(UInt8(ascii: "}"))
        }
        return Response(
            status: 201,
            fields: [
                ("Content-Type", "application/json"), ("Location", text.shortURL), ("ETag", text.entityTag),
                ("X-Write-Region", text.region), ("X-Write-Ts", CalendarTime(created.stamp.instant).rfc3339),
                ("Cache-Control", "no-store"),
            ] + repeatMark(created.isReplay, message) + token(of: created, message, counts), body: body)
    }

    private func token(
        of created: CreatedLink, _ message: Message, _ counts: TokenCounts
    ) -> [(name: String, value: String)] {
        guard let life = LifeTag(created.origin) else { return [] }
        // Of a claim that another node has logged: what is here of that log has it.
        let sequence = created.sequence > 0 ? created.sequence : tokens.coverage.head(life)
        guard sequence > 0 else { return [] }
        issuedTokens.add()
        let brought = message.headBytes.withUnsafeBytes {
            tokens.reading(message.head, $0, now: Instant(milliseconds: 0), counts)
        }
        return tokens.fields(ofWrite: LogPosition(life, sequence), after: brought.token, message)
    }
}
