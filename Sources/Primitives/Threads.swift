import CLinux
import Glibc

/// A thread of the system. Whoever starts one joins or detaches it.
///
/// Safety: the handle is written once, before the value is shared.
package final class SystemThread: @unchecked Sendable {
    private var handle = pthread_t()

    private final class Start {
        let name: String
        let niceness: Int32
        let body: @Sendable () -> Void
        init(name: String, niceness: Int32, body: @escaping @Sendable () -> Void) {
            (self.name, self.niceness, self.body) = (name, niceness, body)
        }
    }

    /// Traps if the system gives no more threads; for those that a program begins with.
    package convenience init(_ name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () -> Void) {
        self.init(ifPossible: name, niceness: niceness, body)!
    }

    /// `name` is shown by `ps` and `top`: at most 15 bytes. `niceness`, 0 to 19, is added to the process's own: the higher,
    /// the less of a busy processor the thread gets beside others; with 19 only what nobody else wants. Nil if the system
    /// gives no more threads.
    package init?(ifPossible name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () -> Void) {
        precondition(name.utf8.count <= 15 && (0...19).contains(niceness))
        let start = unsafe Unmanaged.passRetained(Start(name: name, niceness: niceness, body: body))
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                unsafe pthread_setname_np(pthread_self(), start.name)
                if start.niceness > 0 {
                    // Linux has a priority for each thread; 0 means the one that calls. Lowering one's own is always allowed.
                    let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
                    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, min(19, own + start.niceness))
                }
                // However nice, a thread may keep the processor from one that wakes to the end of its slice, which is
                // milliseconds; this way it does not.
                if start.niceness == 19 { edge_run_when_idle() }
                start.body()
                return nil
            }, start.toOpaque())
        if code != 0 {
            unsafe start.release()
            return nil
        }
    }

    package func join() { pthread_join(handle, nil) }

    /// For one whose end nobody waits for: the process may end before it.
    package func detach() { pthread_detach(handle) }
}

/// A bounded queue between threads whose consumer takes all that has gathered.
///
/// Safety: `mutex` guards every field.
@safe package final class WaitingQueue<Element>: @unchecked Sendable {
    @usableFromInline package let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline package let filled: UnsafeMutablePointer<pthread_cond_t>
    @usableFromInline package let capacity: Int
    @usableFromInline package var elements: [Element] = []
    @usableFromInline package var isClosed = false

    @inlinable
    package init(capacity: Int) {
        self.capacity = capacity
        unsafe mutex = .allocate(capacity: 1)
        unsafe filled = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(filled, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    @inlinable
    deinit {
        unsafe pthread_cond_destroy(filled)
        unsafe pthread_mutex_destroy(mutex)
        unsafe filled.deallocate()
        unsafe mutex.deallocate()
    }

    /// False if the queue is full or closed; the element is then not in it.
    @inlinable
    package func push(_ element: Element) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        guard !isClosed, elements.count < capacity else { return false }
        elements.append(element)
        if elements.count == 1 { unsafe pthread_cond_signal(filled) }
        return true
    }

    /// For what must not be lost: goes in even if the queue is full; false only if it is closed.
    @inlinable @discardableResult
    package func pushPastCapacity(_ element: Element) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        guard !isClosed else { return false }
        elements.append(element)
        unsafe pthread_cond_signal(filled)
        return true
    }

    /// Waits until there is something, at most `timeoutMilliseconds`, and takes up to `limit` elements, oldest first.
    /// Nil once the queue is closed and empty.
    @inlinable
    package func take(atMost limit: Int, timeoutMilliseconds: Int) -> [Element]? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        // Whoever does not wait shall not sleep either: the system rounds even no time up.
        if elements.isEmpty, !isClosed, timeoutMilliseconds > 0 {
            var until = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &until)
            let nanoseconds = until.tv_nsec + timeoutMilliseconds % 1000 * 1_000_000
            until.tv_sec += timeoutMilliseconds / 1000 + nanoseconds / 1_000_000_000
            until.tv_nsec = nanoseconds % 1_000_000_000
            while elements.isEmpty, !isClosed {
                if unsafe pthread_cond_timedwait(filled, mutex, &until) == ETIMEDOUT { break }
            }
        }
        if elements.isEmpty { return isClosed ? nil : [] }
        var taken: [Element] = []
        if elements.count <= limit {
            swap(&taken, &elements)
        } else {
            taken = Array(elements[..<limit])
            elements.removeFirst(limit)
            // What came while something was there woke nobody.
            unsafe pthread_cond_signal(filled)
        }
        return taken
    }

    /// No more comes in; what is in can still be taken.
    @inlinable
    package func close() {
        unsafe pthread_mutex_lock(mutex)
        isClosed = true
        unsafe pthread_cond_broadcast(filled)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// No more comes in, and what is in goes nowhere.
    @inlinable
    package func closeAndDiscard() {
        unsafe pthread_mutex_lock(mutex)
        isClosed = true
        elements = []
        unsafe pthread_cond_broadcast(filled)
        unsafe pthread_mutex_unlock(mutex)
    }

    @inlinable
    package var count: Int {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return elements.count
    }
}
