//! The lifecycle stages of a deployment that shifts traffic, in their order.

/// A lifecycle stage. The order of the variants is the order in which they are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// More than one revision is active when the deployment starts.
    ReconcileService,
    /// The new tasks are not started yet.
    PreScaleUp,
    /// The new tasks are being started.
    ScaleUp,
    /// The new tasks are healthy.
    PostScaleUp,
    /// Test traffic goes to the new tasks.
    TestTrafficShift,
    /// All test traffic is there.
    PostTestTrafficShift,
    /// Before a step of production traffic.
    PreProductionTrafficShift,
    /// A step of production traffic goes to the new tasks.
    ProductionTrafficShift,
    /// All production traffic is there.
    PostProductionTrafficShift,
    /// Both revisions run, so that the old one can be returned to at once.
    BakeTime,
    /// The old tasks are being stopped.
    CleanUp,
}

impl Stage {
    const ALL: [(Self, &'static str); 11] = [
        (Self::ReconcileService, "RECONCILE_SERVICE"),
        (Self::PreScaleUp, "PRE_SCALE_UP"),
        (Self::ScaleUp, "SCALE_UP"),
        (Self::PostScaleUp, "POST_SCALE_UP"),
        (Self::TestTrafficShift, "TEST_TRAFFIC_SHIFT"),
        (Self::PostTestTrafficShift, "POST_TEST_TRAFFIC_SHIFT"),
        (
            Self::PreProductionTrafficShift,
            "PRE_PRODUCTION_TRAFFIC_SHIFT",
        ),
        (Self::ProductionTrafficShift, "PRODUCTION_TRAFFIC_SHIFT"),
        (
            Self::PostProductionTrafficShift,
            "POST_PRODUCTION_TRAFFIC_SHIFT",
        ),
        (Self::BakeTime, "BAKE_TIME"),
        (Self::CleanUp, "CLEAN_UP"),
    ];

    /// The stage of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(stage, _)| *stage)
    }

    /// AWS's name of it.
    pub(super) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(stage, _)| *stage == self)
            .map_or("", |(_, name)| name)
    }

    /// The stage after it; none after the last.
    pub(super) fn next(self) -> Option<Self> {
        Self::ALL
            .iter()
            .map(|(stage, _)| *stage)
            .find(|stage| *stage > self)
    }

    /// Whether hooks are asked at it.
    pub(super) fn has_hooks(self) -> bool {
        match self {
            Self::ScaleUp | Self::BakeTime | Self::CleanUp => false,
            Self::ReconcileService
            | Self::PreScaleUp
            | Self::PostScaleUp
            | Self::TestTrafficShift
            | Self::PostTestTrafficShift
            | Self::PreProductionTrafficShift
            | Self::ProductionTrafficShift
            | Self::PostProductionTrafficShift => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_one_another_and_keep_their_names() {
        let mut stage = Stage::ReconcileService;
        let mut passed = 1;
        while let Some(next) = stage.next() {
            assert_eq!(Stage::parse(next.name()), Some(next));
            stage = next;
            passed += 1;
        }
        assert_eq!((stage, passed), (Stage::CleanUp, Stage::ALL.len()));
    }
}
