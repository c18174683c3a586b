"""What may be asked of a session: the commands that the topics declare beside their rules."""

from domain.session.activity import *
from domain.session.attachment import *
from domain.session.children import *
from domain.session.conversation import *
from domain.session.creation import *
from domain.session.declarations import Command as Command
from domain.session.description import *
from domain.session.elicitations import *
from domain.session.input_queue import *
from domain.session.inputs import *
from domain.session.interactions import *
from domain.session.lifecycle import *
from domain.session.messages import *
from domain.session.peers import *
from domain.session.permission_requests import *
from domain.session.permissions import *
from domain.session.profile import *
from domain.session.recovery import *
from domain.session.repairs import *
from domain.session.sandbox import *
from domain.session.shared_state import *
from domain.session.spawning import *
from domain.session.supervision import *
from domain.session.turn_endings import *
from domain.session.turns import *
