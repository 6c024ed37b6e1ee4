import KernelLanguage

/// What starts and waits for operations of the network adapter.
enum NetworkHandlers {
    static let missing: StepHandler = { w, s in core(w).fail(step(s), "the machine has no network adapter") }
}
