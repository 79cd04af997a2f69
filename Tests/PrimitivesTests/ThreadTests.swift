import Glibc
import Primitives
import Synchronization
import Testing

@Suite struct ThreadTests {
    /// Of a thread that was started with it: what it is nicer by, and the kernel's scheduling policy.
    @Test(arguments: [(0, 0, 0), (10, 10, 0), (19, 19, 5)] as [(Int32, Int32, Int32)])
    func niceness(given: Int32, added: Int32, policy: Int32) {
        let found = Mutex<(niceness: Int32, policy: Int32)>((-1, -1))
        let thread = SystemThread("nice", niceness: given) {
            let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
            let scheduler = sched_getscheduler(0)
            found.withLock { $0 = (own, scheduler) }
        }
        thread.join()
        let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        #expect(found.withLock { $0.niceness } == min(19, own + added))
        #expect(found.withLock { $0.policy } == policy, "SCHED_IDLE is 5")
    }
}
