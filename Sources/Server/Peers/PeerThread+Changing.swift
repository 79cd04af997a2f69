import Links
import Replication
import Store

/// Making the changes of peers' clients.
extension PeerThread {
    /// What a later program asks for, and this one does not understand, it cannot tell.
    func change(_ id: ConnectionID, _ request: UInt32, _ wanted: ChangeRequest) {
        let answer: @Sendable (ChangeAnswer) -> Void = { [mail] in mail.put(.changed(id, request: request, $0)) }
        guard let key = try? LinkKey(decoding: wanted.key.span.bytes), let change = LinkChange(wanted.change) else {
            return answer(ChangeAnswer(.behind))
        }
        guard intake.lets() else { return answer(ChangeAnswer(.overloaded)) }
        let condition = ChangeCondition(owner: wanted.owner.isEmpty ? nil : wanted.owner, ifMatch: wanted.ifMatch)
        store.store.change(key, change, if: condition) { [durability] result in
            switch result {
            case .success(let made):
                durability.hold(made.origin, made.sequence, at: System.monotonicMilliseconds()) { isDurable in
                    let position = LogPosition(LifeTag(made.origin)!, made.sequence)
                    answer(ChangeAnswer(isDurable ? .made : .unreplicated, at: position, record: made.peerRecord))
                }
            case .failure(let error): answer(ChangeAnswer(error))
            }
        }
    }
}

extension LinkChange {
    /// As CHANGE-REQUEST has it.
    fileprivate init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else {
            self = .delete
            return
        }
        guard let patch = try? LinkPatch(decoding: bytes.span.bytes) else { return nil }
        self = .patch(patch)
    }
}

extension ChangeAnswer {
    fileprivate init(_ error: WriteError) {
        let outcome: Outcome =
            switch error {
            case .preconditionFailed: .differs
            case .deleted: .gone
            // Whoever asks has seen the link, under this owner.
            case .notFound: .behind
            case .storageFull: .storageFull
            case .damagedRecord: .damaged
            case .overloaded, .rateCapped, .clockWrong, .stopping: .overloaded
            case .aliasTaken, .requestDiffers, .notReadByAll: preconditionFailure("nothing is claimed")
            }
        self.init(outcome)
    }
}
