"""What may be asked of a session: the commands that the topics declare beside their rules."""

from domain.session.content.conversation import *
from domain.session.content.description import *
from domain.session.content.messages import *
from domain.session.content.model_overrides import *
from domain.session.content.shared_state import *
from domain.session.content.summaries import *
from domain.session.content.totals import *
from domain.session.declarations import Command as Command
from domain.session.environment.attachment import *
from domain.session.environment.profile import *
from domain.session.environment.runtime import *
from domain.session.environment.sandbox import *
from domain.session.family.children import *
from domain.session.family.peers import *
from domain.session.family.spawning import *
from domain.session.interaction.elicitations import *
from domain.session.interaction.interactions import *
from domain.session.interaction.permission_requests import *
from domain.session.interaction.permissions import *
from domain.session.life.creation import *
from domain.session.life.erasure import *
from domain.session.life.lifecycle import *
from domain.session.life.recovery import *
from domain.session.life.repairs import *
from domain.session.life.supervision import *
from domain.session.turn.activity import *
from domain.session.turn.foreign_events import *
from domain.session.turn.input_queue import *
from domain.session.turn.inputs import *
from domain.session.turn.turn_endings import *
from domain.session.turn.turns import *
