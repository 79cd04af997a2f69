import Links
import Primitives
import Store
import Synchronization

/// Has a service judge each link that is written, here or elsewhere, after it was: whoever makes a link does not wait for it,
/// and what the service does not answer waits in the logs.
///
/// Safety: the figures are made to be shared; the rest belongs to the thread that runs `run`.
final class LookupFollower: @unchecked Sendable {
    static let positionName = "lookup-position"
    private static let positionBytes = 1 << 20

    let figures = JudgingFigures()
    /// 1 while the service fails.
    let isFailing = Atomic(false)
    private let store: Store
    private let service: LookupService
    private let moderator: Moderator
    private let follower: LinkFollower
    private let wakes = WaitingQueue<Void>(capacity: 1)
    private let isEnding = Atomic(false)
    /// Links that were read and are not judged; those before them, up to where the logs are done with, are.
    private var links: ArraySlice<JudgedLink> = []
    private var read: ChangePosition
    private var done: ChangePosition
    private var saved: ChangePosition
    private var nextSave: Int64 = 0
    private var thread: SystemThread?

    /// Goes on from where the last life stopped; where there was none, with what is written from now on.
    init(_ store: Store, _ service: LookupService, _ moderation: Moderation) throws(StoreError) {
        (self.store, self.service) = (store, service)
        moderator = Moderator(moderation, figures)
        follower = try LinkFollower(store)
        if let bytes = try store.readFile(Self.positionName, limitBytes: Self.positionBytes) {
            // One that cannot be read makes it begin with the oldest that the logs have.
            saved = ChangePosition(text: Array(bytes.dropLast()).span.bytes) ?? ChangePosition()
        } else {
            saved = store.endOfChanges
            try store.replaceFile(Self.positionName, with: Array((saved.text + "\n").utf8))
        }
        (read, done) = (saved, saved)
    }

    /// To be called once.
    func start(niceness: Int32 = JudgingLimits.niceness) {
        thread = SystemThread("lookup-service", niceness: niceness) { [self] in run() }
    }

    /// Before the store is closed. Waits for a question that is on its way, for as long as an answer may take.
    func close() {
        isEnding.store(true, ordering: .releasing)
        wakes.close()
        thread?.join()
    }

    private func run() {
        var pause = 0
        while !isEnding.load(ordering: .acquiring) {
            _ = wakes.take(atMost: 1, timeoutMilliseconds: pause)
            if isEnding.load(ordering: .acquiring) { break }
            do throws(JudgeUnavailable) {
                pause = try turn() ? 0 : JudgingLimits.pauseMilliseconds
            } catch {
                pause = Int(error.pauseMilliseconds)
                if !error.isWanted { noteFailure(error.reason) }
            }
            let clock = System.monotonicMilliseconds()
            if clock >= nextSave {
                save()
                nextSave = clock + JudgingLimits.saveMilliseconds
            }
        }
        save()
    }

    /// Whether there may be more to do.
    private func turn() throws(JudgeUnavailable) -> Bool {
        if links.isEmpty, try !readOn() { return false }
        if !links.isEmpty {
            let verdicts = try service.judge(Array(links))
            try moderator.apply(verdicts, to: links.prefix(verdicts.count), names: service.names)
            links = links.dropFirst(verdicts.count)
            if !service.isFailing, isFailing.exchange(false, ordering: .relaxed) {
                Log.write(.info, "lookup-service-recovered")
            }
        }
        if links.isEmpty { done = read }
        return true
    }

    private func readOn() throws(JudgeUnavailable) -> Bool {
        switch follower.read(after: read) {
        case .page(let page):
            if page.end == read { return false }
            (links, read) = (page.links[...], page.end)
        case .gap(let reason, let position):
            figures.gaps.add()
            Log.write(.warning, "lookup-service-gap", ["reason": .string(reason)])
            read = position
        case .failed(let reason): throw .store(reason)
        }
        return true
    }

    private func noteFailure(_ reason: String) {
        figures.failures.add()
        guard !isFailing.exchange(true, ordering: .relaxed) else { return }
        Log.write(.error, "lookup-service-fails", ["reason": .string(reason)])
    }

    private func save() {
        guard done != saved else { return }
        do throws(StoreError) {
            try store.replaceFile(Self.positionName, with: Array((done.text + "\n").utf8))
            saved = done
        } catch {
            Log.write(.warning, "lookup-position-unsaved", ["reason": .string(error.description)])
        }
    }
}
