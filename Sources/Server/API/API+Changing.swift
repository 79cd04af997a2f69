import HTTP
import Links
import Primitives
import Replication
import Store
import Synchronization

/// What becomes of a change that a client asked for, once the link was found.
enum ChangeResult: String, CaseIterable, Sendable {
    case updated, deleted
    /// Made, and too few other regions had it in time.
    case unreplicated
    case preconditionFailed = "precondition_failed"
    case refused
    /// Another node was to make it, and said nothing.
    case unknown
}

final class ChangeCounts: Sendable {
    private let counts = Mutex<[ChangeResult: UInt64]>([:])

    func note(_ result: ChangeResult) { counts.withLock { $0[result, default: 0] += 1 } }

    func value(_ result: ChangeResult) -> UInt64 { counts.withLock { $0[result] ?? 0 } }
}

/// Changing and deleting links. Who makes a change:
///
///     the link is here, no If-Match ─────────────────────────▶ this node; of two at once the later stamp wins
///     If-Match ──▶ who decides about the links of its maker? ─┬─ this node ─▶ in the writer's own transaction
///                                                            └─ another ──▶ CHANGE-REQUEST, 503 if it cannot be reached
///     only another node has it, or has it newer, no If-Match ─▶ CHANGE-REQUEST to that one
extension API {
    /// A change that may be made, as far as the link was when it was looked at.
    private struct Wanted: Sendable {
        let key: LinkKey
        let code: [UInt8]
        let change: LinkChange
        let owner: [UInt8]?
        let ifMatch: [UInt8]?
        /// Who made the link, and who wrote it last.
        let maker: NodeID
        let author: Origin
        /// Who has it, where this node has not.
        let holder: NodeID?
        let isBlocked: Bool
        /// Of one that an admin makes of somebody else's link.
        let act: AuditBody?

        var condition: ChangeCondition { ChangeCondition(owner: owner, ifMatch: ifMatch) }
    }

    func change(_ call: APICall, _ code: String) {
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        var call = call
        call.changes = true
        let wish: (change: LinkChange, hostName: String?)
        let ifMatch: [UInt8]?
        do throws(RefusedRequest) {
            wish = try self.wish(call)
            ifMatch = try Self.ifMatch(call.message)
        } catch {
            return call.answer(error.problem.response)
        }
        find(call, code) { call, link in
            var call = call
            // The answer to a write has a token of its own.
            call.marks.removeAll { $0.name == "Edge-Token" }
            let body = link.record.body
            guard call.caller.mayChange(body) else {
                let problem = body.owner == nil ? Problem.ownedByNobody : .lacksScope(.manageLinks)
                return call.answer(problem.response)
            }
            let wanted = Wanted(
                key: link.elsewhere?.key ?? reader.key(of: link.code.span.bytes), code: link.code,
                change: wish.change, owner: body.owner, ifMatch: ifMatch,
                maker: NodeID(body.creation?.origin ?? link.origin),
                author: link.origin, holder: link.elsewhere?.holder, isBlocked: link.isBlocked,
                act: act(call, link, wish.change))
            guard intake.lets() else { return tell(call, .refused, Problem.overloaded.response) }
            guard let nameRule, let hostName = wish.hostName else { return place(call, wanted) }
            nameRule.judge(hostName) { [self, call] verdict in
                switch verdict {
                case .admitted: place(call, wanted)
                case .refused: tell(call, .refused, Problem.namePrivate.response)
                case .unknown: tell(call, .refused, Problem.lookupFailed.response)
                }
            }
        }
    }

    /// Judged before anything is read, so that who may change nothing learns nothing.
    private func wish(_ call: APICall) throws(RefusedRequest) -> (change: LinkChange, hostName: String?) {
        guard call.caller != .anonymous else { throw RefusedRequest(.needsKeyToChange) }
        guard call.caller.allows(.manageLinks) else { throw RefusedRequest(.lacksScope(.manageLinks)) }
        if call.message.head.method == .delete { return (.delete, nil) }
        guard call.message.hasJSONBody else { throw RefusedRequest(Problem(.unsupportedMediaType)) }
        let (patch, hostName) = try PatchRequest(call.message.body).patch(policy, now: now())
        return (.patch(patch), hostName)
    }

    /// As it came, which is sent on as it is. Nil without one; what is not UTF-8 names no version.
    private static func ifMatch(_ message: Message) throws(RefusedRequest) -> [UInt8]? {
        guard message.head.has(.ifMatch) else { return nil }
        let value = Array((message.value(of: .ifMatch) ?? "").utf8)
        guard value.count <= WireLimits.conditionBytes else {
            throw RefusedRequest(
                Problem(.headTooLarge, "At most \(WireLimits.conditionBytes >> 10) KiB of If-Match are taken."))
        }
        return value
    }

    private func act(_ call: APICall, _ link: ShownLink, _ change: LinkChange) -> AuditBody? {
        guard let principal = call.caller.principal, principal != link.record.body.owner else { return nil }
        var detail = ""
        if case .patch(let patch) = change, patch.members.contains(.destination) {
            detail = "led to " + String(decoding: link.record.body.destination, as: UTF8.self)
        }
        return AuditBody(
            change == .delete ? "delete-link" : "change-link", on: "/" + String(decoding: link.code, as: UTF8.self),
            by: principal, detail: detail)
    }

    // MARK: Where it is made

    /// Any thread.
    private func place(_ call: APICall, _ wanted: Wanted) {
        guard let peers else { return make(call, wanted) }
        if wanted.ifMatch == nil {
            guard let holder = wanted.holder else { return make(call, wanted) }
            return forward(call, wanted, to: .holder(holder), peers)
        }
        guard wanted.maker == NodeID(store.origin) else {
            return forward(call, wanted, to: .decider(of: wanted.maker), peers)
        }
        decide(call, wanted, peers)
    }

    /// It is this node that says whether the condition holds; not before it has what it had in an earlier life.
    private func decide(_ call: APICall, _ wanted: Wanted, _ peers: PeerThread) {
        guard peers.isReady, wanted.holder == nil else { return tell(call, .refused, Problem.deciderBehind.response) }
        make(call, wanted)
    }

    private func make(_ call: APICall, _ wanted: Wanted) {
        store.change(wanted.key, wanted.change, if: wanted.condition, audit: wanted.act) { [self] result in
            switch result {
            case .success(let made):
                wanted.act?.tell()
                durability.hold(made.origin, made.sequence, at: System.monotonicMilliseconds()) { [self] isDurable in
                    guard isDurable else {
                        return tell(call, .unreplicated, Problem.changeNotReplicated(made.code).response)
                    }
                    let position = LifeTag(made.origin).map { LogPosition($0, made.sequence) }
                    answer(call, wanted, made.stamp, made.origin, made.body, position)
                }
            case .failure(.preconditionFailed):
                tell(call, .preconditionFailed, Problem(ProblemKind.preconditionFailed).response)
            case .failure(.damagedRecord):
                noteDamage()
                tell(call, .refused, Problem.damagedRecord.response)
            case .failure(let error): tell(call, .refused, Problem(error).response)
            }
        }
    }

    private func forward(_ call: APICall, _ wanted: Wanted, to whom: Forward.Whom, _ peers: PeerThread) {
        var (key, change): ([UInt8], [UInt8]) = ([], [])
        wanted.key.encode(into: &key)
        switch wanted.change {
        case .delete: break
        case .patch(let patch): patch.encode(into: &change)
        case .update: preconditionFailure("clients change members")
        }
        let request = ChangeRequest(
            positions: positions(call.reading, wanted), ifMatch: wanted.ifMatch, owner: wanted.owner ?? [], key: key,
            change: change)
        peers.changes.send(whom, request) { [self] outcome in
            switch outcome {
            case .own: decide(call, wanted, peers)
            case .answered(let answer): self.answer(call, wanted, answer)
            case .unreachable: tell(call, .refused, Problem.deciderUnreachable.response)
            case .overloaded: tell(call, .refused, Problem.overloaded.response)
            case .unanswered:
                // It may have been made, and then the trail has nobody else's line of it.
                if var act = wanted.act {
                    act.outcome = "unknown"
                    act.tell(to: store)
                }
                tell(call, .unknown, Problem.deciderSilent.response)
            }
        }
    }

    /// What the record there must reflect: the client's token, and what this node has shown, or could have, of the link.
    private func positions(_ reading: Reading, _ wanted: Wanted) -> [LogPosition] {
        // Nobody will ever hold what is lost.
        var positions = reading.consistency == .lost ? [] : reading.token?.positions ?? []
        guard wanted.holder == nil, let life = LifeTag(wanted.author), case let head = tokens.coverage.head(life),
            head > 0
        else { return positions }
        positions.removeAll { $0.life == life }
        return positions + [LogPosition(life, head)]
    }

    // MARK: Answers

    /// What another node says of it.
    private func answer(_ call: APICall, _ wanted: Wanted, _ answer: ChangeAnswer) {
        switch answer.outcome {
        case .made, .unreplicated:
            wanted.act?.tell(to: store)
            guard let link = RemoteLink(answer.record, of: wanted.code, in: store, now: now()), link.key == wanted.key
            else { return tell(call, .unknown, Problem.deciderSilent.response) }
            guard answer.outcome == .made else {
                return tell(call, .unreplicated, Problem.changeNotReplicated(wanted.code).response)
            }
            self.answer(
                call, wanted, Stamp(rawValue: link.record.stamp), link.origin, link.record.body, answer.position)
        case .differs: tell(call, .preconditionFailed, Problem(ProblemKind.preconditionFailed).response)
        case .gone: tell(call, .refused, Problem.gone.response)
        case .behind: tell(call, .refused, Problem.deciderBehind.response)
        case .overloaded: tell(call, .refused, Problem.overloaded.response)
        case .storageFull: tell(call, .refused, Problem(ProblemKind.storageFull).response)
        case .damaged: tell(call, .refused, Problem.damagedRecord.response)
        }
    }

    /// The link as it is now; `origin` wrote it, at `position` of its log.
    private func answer(
        _ call: APICall, _ wanted: Wanted, _ stamp: Stamp, _ origin: Origin, _ body: LinkBody, _ position: LogPosition?
    ) {
        var fields = writeFields(call, stamp, origin, position)
        guard wanted.change != .delete else { return tell(call, .deleted, Response(status: 204, fields: fields)) }
        let text = text(
            wanted.code, isAlias: wanted.key.isAlias, stamp, origin, body, isBlocked: wanted.isBlocked)
        fields += [("Content-Type", "application/json"), ("ETag", text.entityTag)]
        tell(call, .updated, Response(status: 200, fields: fields, body: text.json))
    }

    /// What every answer to a write says; `origin` wrote, at `position` of its log.
    func writeFields(
        _ call: APICall, _ stamp: Stamp, _ origin: Origin, _ position: LogPosition?
    ) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [
            ("X-Write-Region", regionName(origin)), ("X-Write-Ts", CalendarTime(stamp.instant).rfc3339),
            ("Cache-Control", "no-store"),
        ]
        // Nobody will ever hold what is lost, so the next token does not tell of it.
        let brought = call.reading.token?.dropping {
            call.reading.consistency == .lost && !tokens.coverage.covers($0)
        }
        if let position { fields += tokens.fields(ofWrite: position, after: brought, call.message) }
        return fields
    }

    private func tell(_ call: APICall, _ result: ChangeResult, _ response: Response) {
        changeCounts.note(result)
        call.answer(response)
    }
}

extension ChangeCondition {
    /// By the strong comparison (RFC 9110 13.1.1).
    init(owner: [UInt8]?, ifMatch: [UInt8]?) {
        self.init(owner: owner)
        guard let ifMatch else { return }
        isCurrent = { stamp, origin in
            let tag = Array(LinkText.entityTag(stamp, origin).utf8)
            return EntityTags.match(ifMatch.span.bytes, tag: tag.span.bytes, strongly: true)
        }
    }
}
